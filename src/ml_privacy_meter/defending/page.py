def page(document): return ""
