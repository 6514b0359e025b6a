"""The queries that a served model gets: a log of them, and what it says of who asks."""

from ml_privacy_meter.monitoring.middleware import asgi, wsgi
from ml_privacy_meter.monitoring.monitor import monitor
from ml_privacy_meter.monitoring.querylog import QueryLog
from ml_privacy_meter.monitoring.saved import Monitored, check_folder, schema

__all__ = ["Monitored", "QueryLog", "asgi", "check_folder", "monitor", "schema", "wsgi"]
