// The table of all records: only the rows in view, and some to either side, are in the document. A library was looked
// for: Tabulator 6.5 is 448 kB, and tells a screen reader neither how many rows there are nor which one it is at.
(async () => {
  const section = document.getElementById("records");
  if (!window.DecompressionStream) return;  // The list of the most exposed stays.
  const sealed = Uint8Array.from(atob(document.getElementById("records-data").textContent), (sign) => sign.charCodeAt(0));
  const opened = new Blob([sealed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const {rows, columns} = JSON.parse(await new Response(opened).text());

  const SPARE = 25;      // rows drawn above and below those in view
  const CHOICES = 200;   // more values of a column than that are searched, not chosen from
  const form = section.querySelector("form");
  const scroller = section.querySelector(".scroller");
  const grid = scroller.querySelector("table");
  const [above, below] = grid.tBodies[0].rows;
  const natural = new Intl.Collator(undefined, {numeric: true});
  const count = (number) => number.toLocaleString("en");
  const made = (name, properties = {}, ...content) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...content);  // Strings become text, whatever they say.
    return element;
  };

  // ---- what a cell says; the words are those of the report's other tables
  const minus = (text) => text.replace("-", "−");
  const rounded = [0, 1, 2].map((places) => new Intl.NumberFormat("en", {
    minimumFractionDigits: places, maximumFractionDigits: places, roundingMode: "halfEven", signDisplay: "negative",
  }));
  const digits = (number, places) => minus(rounded[places].format(number));
  const said = {
    id: (column, row) => column.values[row],
    text: (column, row) => column.words[column.values[row]],
    probability: ({values}, row) => values[row] > 0.9995 ? "> 99.9%" : `${(100 * values[row]).toFixed(1)}%`,
    number: ({values}, row) => minus(Math.abs(values[row]) < 1e4 ? values[row].toPrecision(4) : count(Math.round(values[row]))),
    share: ({values, error}, row) => {
      if (!error) return `${digits(100 * values[row], Math.abs(values[row]) < 0.01 ? 2 : 1)}%`;
      return error[row] === null ? "–" : `${digits(100 * values[row], 0)}% ± ${digits(100 * error[row], 0)}`;
    },
  };
  const shown = (column, row) => column.values[row] === null ? "–" : said[column.kind](column, row);
  const written = (column) => ["id", "text"].includes(column.kind);

  // ---- order and filter
  let order = [], sorted = 1, falling = true;
  const ranks = new Map();
  const rank = (column) => {  // of each row, by this column; rows are in the order of risk already
    if (!ranks.has(column)) {
      let values = column.values;
      if (column.kind === "probability") values = values.map((value, row) => value === null ? null : -row);
      const words = column.words ?? (column.kind === "id" ? values : null);
      if (words) {
        const places = words.map((_, place) => place).sort((a, b) => natural.compare(words[a], words[b]));
        const position = new Map(places.map((place, at) => [place, at]));
        values = values.map((value, row) => position.get(column.words ? value : row));
      }
      ranks.set(column, values);
    }
    return ranks.get(column);
  };
  const filters = [{column: columns[0], input: form.elements.sought}];
  const passing = () => {
    const tests = filters.filter(({input}) => input.value).map(({column, input}) => {
      if (input.tagName === "SELECT") return (row) => column.values[row] === Number(input.value);
      const sought = input.value.trim().toLowerCase();
      return (row) => said[column.kind](column, row).toLowerCase().includes(sought);
    });
    return Array.from({length: rows}, (_, row) => row).filter((row) => tests.every((test) => test(row)));
  };
  const update = () => {
    const by = rank(columns[sorted]), sign = falling ? -1 : 1;
    order = passing().sort((a, b) => {
      if (by[a] === null || by[b] === null) return (by[a] === null) - (by[b] === null) || a - b;
      return sign * (by[a] - by[b]) || a - b;
    });
    [...grid.tHead.rows[0].cells].forEach((cell, place) => {
      cell.ariaSort = place !== sorted ? "none" : falling ? "descending" : "ascending";
    });
    section.querySelector("[role=status]").textContent =
      `${count(order.length)} of ${count(rows)} records${order.length ? "" : ": nothing matches"}`;
    section.querySelector("[data-download=filtered]").disabled = !order.length;
    grid.ariaRowCount = order.length + 1;
    drawn.forEach((row) => row.remove());
    drawn.clear();
    active = -1;
    scroller.scrollTop = 0;
    draw();
  };

  // ---- rows
  const drawn = new Map();  // position -> element
  let active = -1, height = 36;
  const drawRow = (at) => {
    const classes = [at === active ? "active" : "", columns[2].values[order[at]] === 1 ? "control" : ""].join(" ");
    const row = made("tr", {id: `record-${at}`, ariaRowIndex: at + 2, className: classes});
    for (const column of columns) {
      const text = shown(column, order[at]), cell = made(column.kind === "id" ? "th" : "td");
      if (column.kind === "id") cell.scope = "row";
      cell.append(written(column) ? made("bdi", {title: text}, text) : text);
      if (!written(column)) cell.className = `number ${column.kind}`;
      if (column.kind === "probability") cell.style.setProperty("--share", column.values[order[at]] ?? 0);
      row.append(cell);
    }
    return row;
  };
  const draw = () => {
    const first = Math.max(0, Math.floor(scroller.scrollTop / height) - SPARE);
    const last = Math.min(order.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / height) + SPARE);
    for (const [at, row] of drawn) if (at < first || at >= last) { row.remove(); drawn.delete(at); }
    let before = above;
    for (let at = first; at < last; at += 1) {  // Rows that stay are not touched: somebody may be reading them.
      if (!drawn.has(at)) { drawn.set(at, drawRow(at)); before.after(drawn.get(at)); }
      before = drawn.get(at);
    }
    above.style.height = `${first * height}px`;
    below.style.height = `${Math.max(0, order.length - last) * height}px`;
    const current = drawn.has(active) ? `record-${active}` : null;
    current ? grid.setAttribute("aria-activedescendant", current) : grid.removeAttribute("aria-activedescendant");
  };
  const measure = () => {
    height = drawn.values().next().value?.getBoundingClientRect().height || height;
    draw();
  };
  const go = (place) => {
    drawn.get(active)?.classList.remove("active");
    active = Math.min(Math.max(place, 0), order.length - 1);
    const room = scroller.clientHeight - grid.tHead.offsetHeight, top = active * height;
    scroller.scrollTop = Math.min(Math.max(scroller.scrollTop, top + height - room), top);
    draw();
    drawn.get(active)?.classList.add("active");
  };
  grid.addEventListener("keydown", (event) => {
    if (event.target !== grid || event.ctrlKey || event.altKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(scroller.clientHeight / height) - 2);  // less the titles, and one row to go on from
    const steps = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rows, End: rows};
    if (!(event.key in steps)) return;
    event.preventDefault();
    go(active + steps[event.key]);
  });
  let waiting = false;
  scroller.addEventListener("scroll", () => {
    if (!waiting) requestAnimationFrame(() => { waiting = false; draw(); });
    waiting = true;
  }, {passive: true});

  // ---- what stands above the rows
  columns.forEach((column, place) => {
    const longest = (words) => words.reduce((most, one) => Math.max(most, one.length), 0);
    const widest = written(column) ? longest(column.words ?? column.values) + 1 : column.kind === "probability" ? 14 : 8;
    const width = Math.min(Math.max(widest, longest(column.title.split(" ")) + 2), column.kind === "id" ? 40 : 24);
    grid.querySelector("colgroup").append(made("col", {style: `width: calc(min(${width}ch, 45vw) + 1.5rem)`}));
    const button = made("button", {type: "button"}, made("bdi", {}, column.title));
    button.addEventListener("click", () => {
      falling = place === sorted ? !falling : !written(column);
      sorted = place;
      update();
    });
    grid.tHead.rows[0].append(made("th", {scope: "col", className: written(column) ? "" : "number"}, button));
    if (column.kind !== "text" || column.words.length < 2) return;
    const many = column.words.length > CHOICES;
    const input = made(many ? "input" : "select", many ? {type: "search"} : {});
    if (!many) {
      const places = column.words.map((_, at) => at).sort((a, b) => natural.compare(column.words[a], column.words[b]));
      input.append(made("option", {value: ""}, "all"), ...places.map((at) => made("option", {value: at}, column.words[at])));
    }
    const title = made("span", {}, made("bdi", {}, column.title), many ? " contains" : "");
    form.lastElementChild.before(made("label", {}, title, input));
    filters.push({column, input});
  });
  form.addEventListener("input", update);
  form.addEventListener("reset", () => setTimeout(update));
  form.addEventListener("submit", (event) => event.preventDefault());

  // ---- download
  const field = (text) => {
    const safe = /^[\s\0]*[=+\-@＝＋－＠]|^[\t\r\n]/.test(text) ? `'${text}` : text;
    return `"${safe.replaceAll('"', '""')}"`;
  };
  const plain = (column, row) => {
    if (written(column)) return column.csv ? column.csv[column.values[row]] : field(said[column.kind](column, row));
    return `${column.values[row] ?? ""}` + (column.error ? `,${column.error[row] ?? ""}` : "");
  };
  section.addEventListener("click", (event) => {
    const which = event.target.dataset.download;
    if (!which) return;
    const head = columns.flatMap(({name, error}) => error ? [name, `${name}_se`] : [name]).map(field).join(",");
    const chosen = which === "all" ? Array.from({length: rows}, (_, row) => row) : order;
    const lines = chosen.map((row) => columns.map((column) => plain(column, row)).join(","));
    const file = new Blob(["\ufeff", [head, ...lines, ""].join("\r\n")], {type: "text/csv"});
    const link = made("a", {href: URL.createObjectURL(file), download: `records${which === "all" ? "" : "-filtered"}.csv`});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });

  section.classList.add("live");
  update();
  scroller.style.minHeight = `min(${scroller.offsetHeight}px, 80vh)`;  // The page does not jump while one types.
  new ResizeObserver(measure).observe(scroller);
  section.dataset.ready = "yes";
})();
