// Tables that can be sorted, and tables with an interval drawn in each row.
const byValue = (first, second, down) => {
  const none = (value) => value === null || value === undefined || value === "";
  if (none(first) || none(second)) return none(first) - none(second);
  const order = typeof first === "number" && typeof second === "number" ? first - second : String(first).localeCompare(String(second), "en", { numeric: true });
  return down ? -order : order;
};

// A group whose rows can be hidden: the button of its head, and what it does to them.
const foldButton = ({ name, open, onfold }, hideable) => {
  const mark = element("span", { "aria-hidden": "true" });
  const button = element("button", { type: "button", class: "fold", "aria-label": `Rows of ${name}`, onclick: () => fold(!shown) }, mark);
  let shown = open;
  const put = () => {
    mark.textContent = shown ? "▾" : "▸";
    button.setAttribute("aria-expanded", String(shown));
    for (const line of hideable) line.hidden = !shown;
  };
  const fold = (next) => {
    shown = next;
    put();
    onfold(shown);
  };
  put();
  return button;
};

// columns: {key, title, value(row), cell(row), kind: "number" | "text" | "plot" | "block", head};
// groups: {title, note, badges, first (a row that stays on top), rows, about (a line below the head), folded: {name, open, onfold}}.
const drawTable = (target, { caption, columns, groups, sort, onsort, nothing, csv }) => {
  const filled = groups.filter((group) => group.rows.length);
  if (!filled.length) {
    target.replaceChildren(paragraph(nothing ?? "Nothing matches these filters.", "nothing"));
    return;
  }
  const [key, way] = (sort || "").split(".");
  const sorted = columns.find((column) => column.key === key);
  const head = columns.map((column) => {
    const mine = sorted === column;
    const label = column.head ?? column.title;
    const state = mine ? (way === "down" ? "descending" : "ascending") : null;
    if (!column.value || !onsort) return element("th", { scope: "col", role: "columnheader", class: [column.kind, "plain"].filter(Boolean).join(" ") }, label);
    const next = mine && way !== "down" ? "down" : "up";
    const press = () => {
      onsort(`${column.key}.${next}`);
      target.querySelector(`button[data-sort="${CSS.escape(column.key)}"]`)?.focus();
      announce(`Sorted by ${column.title}, ${next === "down" ? "descending" : "ascending"}.`);
    };
    const mark = element("span", { class: "way", "aria-hidden": "true" }, mine ? (way === "down" ? "▼" : "▲") : "↕");
    const button = element("button", { type: "button", class: "sort", "data-sort": column.key, onclick: press }, element("span", {}, label), mark);
    return element("th", { scope: "col", role: "columnheader", class: column.kind, "aria-sort": state }, button);
  });
  const bodies = filled.map((group) => {
    const rows = sorted ? [...group.rows].sort((a, b) => byValue(sorted.value(a), sorted.value(b), way === "down")) : group.rows;
    const lines = [...(group.first ? [group.first] : []), ...rows].map((row) =>
      element(
        "tr",
        { role: "row", class: group.classOf?.(row) },
        columns.map((column, at) => element(at ? "td" : "th", { scope: at ? null : "row", role: at ? "cell" : "rowheader", class: column.kind, "data-label": at && column.kind !== "plot" ? column.title : null }, column.cell(row))),
      ),
    );
    if (!group.title) return element("tbody", { role: "rowgroup" }, lines);
    const note = group.note ? element("span", { class: "note" }, group.note) : null;
    const about = group.about ? [element("tr", { role: "row", class: "about" }, element("td", { colspan: columns.length, role: "cell", class: "text" }, group.about))] : [];
    const button = group.folded ? foldButton(group.folded, [...about, ...lines]) : null;
    return element("tbody", { role: "rowgroup" }, element("tr", { role: "row", class: "group" }, element("th", { colspan: columns.length, scope: "rowgroup", role: "rowheader" }, button, element("span", {}, group.title), note, group.badges)), about, lines);
  });
  // On a phone rows become blocks, which would take their meaning from a table without these roles.
  const table = element("table", { role: "table", class: "stacking" }, element("caption", {}, caption), element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, head)), bodies);
  target.replaceChildren(scrolling(caption, table), downloads(caption, { CSV: () => csvOf(csv ?? filled.flatMap((group) => group.rows)) }));
};
const scrolling = (label, table) => element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, table);

// Files made of what is shown: rows as CSV, pictures as SVG and PNG. `makers`: what makes the file, by its kind.
const KINDS = { CSV: "text/csv", SVG: "image/svg+xml", PNG: "image/png" };
const downloads = (title, makers) =>
  element(
    "p",
    { class: "downloads" },
    "Download ",
    Object.entries(makers).map(([kind, make]) =>
      element("button", {
        type: "button",
        "aria-label": `Download as ${kind}: ${title}`,
        onclick: async () => {
          const address = URL.createObjectURL(new Blob([await make()], { type: KINDS[kind] }));
          const name = title.toLowerCase().replace(/[^\p{L}\p{N}.]+/gu, "_").replace(/^_|_$/g, "").slice(0, 80);
          element("a", { href: address, download: `${name}.${kind.toLowerCase()}` }).click();
          setTimeout(() => URL.revokeObjectURL(address), 10_000);
        },
      }, kind),
    ),
  );
const csvLines = (lines) => lines.map((line) => line.map((value) => (/[",\n\r]/.test((value = String(value ?? "")))  ? `"${value.replaceAll('"', '""')}"` : value)).join(",")).join("\n") + "\n";
const csvOf = (rows) => {
  const names = Object.keys(rows[0]).filter((name) => ["string", "number", "boolean"].includes(typeof rows.find((row) => row[name] !== null)?.[name]));
  return csvLines([names, ...rows.map((row) => names.map((name) => row[name]))]);
};
const csvOfTable = (table) => csvLines([...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent)));

const PLOT = { width: 240, height: 22, margin: 8 };
const scaleOf = (values, zero) => {
  const known = values.filter((value) => value !== null && value !== undefined);
  const [low, high] = known.length ? d3.extent(zero === undefined ? known : [...known, zero]) : [0, 1];
  const pad = (high - low || Math.abs(high) || 1) * 0.02;
  return d3.scaleLinear([low - pad, high + pad], [PLOT.margin, PLOT.width - PLOT.margin]);
};
const axisHead = (label, scale) => {
  const ticks = scale.ticks(3);
  const format = scale.tickFormat(3);
  const axis = svg("svg", { width: PLOT.width, height: 18, "aria-hidden": "true", class: "axis" });
  for (const tick of ticks) {
    axis.append(svg("line", { x1: scale(tick), x2: scale(tick), y1: 14, y2: 18, class: "tick" }));
    const text = svg("text", { x: scale(tick), y: 11, "text-anchor": "middle" });
    text.textContent = minus(format(tick));
    axis.append(text);
  }
  return element("span", { class: "axis-head" }, element("span", {}, label), axis);
};
// A dot with its interval in the colour of a verdict; `lines` are values drawn as faint lines.
const whisker = (scale, { value, low, high, lines = [], kind }) => {
  const middle = PLOT.height / 2;
  const picture = svg("svg", { width: PLOT.width, height: PLOT.height, "aria-hidden": "true", class: `whisker ${kind}` });
  for (const line of lines) {
    if (line !== null && line !== undefined) picture.append(svg("line", { x1: scale(line), x2: scale(line), y1: 0, y2: PLOT.height, class: "reference" }));
  }
  if (low !== null && low !== undefined) picture.append(svg("line", { x1: scale(low), x2: scale(high), y1: middle, y2: middle, class: "interval" }));
  if (value !== null && value !== undefined) picture.append(svg("circle", { cx: scale(value), cy: middle, r: 4, class: "mean" }));
  return picture;
};
const chip = (text, kind) => element("span", { class: `chip ${kind}` }, text);
