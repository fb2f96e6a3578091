// Charts. Each says in words what it shows; the same figures stand in a table beside it.
const INK = "currentColor";
const textWidth = (() => {
  const context = document.createElement("canvas").getContext("2d");
  return (text, size) => {
    context.font = `${size}px system-ui, sans-serif`;
    return context.measureText(text).width;
  };
})();
const labelRoom = (labels, most) => Math.ceil(Math.min(most, d3.max(labels, (label) => textWidth(label, 12)) ?? 0)) + 14;
const widthOf = (target) => Math.max(280, Math.floor(target.clientWidth || target.parentElement?.clientWidth || 720));
let printing = false;
const dark = () => {
  if (printing) return false;
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
const shade = (colour) => (dark() ? d3.interpolateLab(colour, "#ffffff")(0.35) : colour);
const clipped = (label, room) => {
  if (textWidth(label, 12) <= room) return label;
  let kept = label;
  while (kept.length > 1 && textWidth(`${kept}…`, 12) > room) kept = kept.slice(0, -1);
  return `${kept.trimEnd()}…`;
};
const draw = (target, options, title, note) => {
  const plot = Plot.plot({ style: { fontSize: "12px", fontFamily: "inherit", background: "transparent", overflow: "visible" }, ariaLabel: title, ...options });
  plot.setAttribute("role", "img");
  for (const group of plot.querySelectorAll("g[aria-label]")) group.removeAttribute("aria-label"); // the whole has one
  target.replaceChildren(element("figure", {}, element("figcaption", {}, title), plot, note ? paragraph(note, "note") : null));
};
const nothing = (target, sentence) => target.replaceChildren(paragraph(sentence, "nothing"));

// Means with intervals: a row for each method, a mark for each protocol.
const PROTOCOL_LOOKS = [
  ["#0072b2", "circle"],
  ["#d55e00", "square"],
  ["#009e73", "triangle"],
  ["#cc78bc", "diamond2"],
  ["#56b4e9", "triangle2"],
];
const protocolLook = (name) => PROTOCOL_LOOKS[(orderOf.protocol.get(name) ?? 0) % PROTOCOL_LOOKS.length];
const drawMeans = (target, rows, metric, title) => {
  const width = widthOf(target);
  const ids = [...new Set(rows.map((row) => row.id))].sort((a, b) => orderOf.method.get(a) - orderOf.method.get(b));
  const present = [...new Set(rows.map((row) => row.protocol))].sort((a, b) => orderOf.protocol.get(a) - orderOf.protocol.get(b));
  const room = Math.min(width * 0.5, 300);
  const label = new Map(ids.map((id) => [id, clipped(shortOf(id), room)]));
  const step = Math.min(5, 14 / present.length);
  const shift = (name) => (present.indexOf(name) - (present.length - 1) / 2) * step;
  const known = rows.filter((row) => row.mean !== null);
  const say_ = (row) => `${titleOf(row.id)}\n${protocolTitle(row.protocol)}\n${withInterval(metric, row.mean, row.ci_low, row.ci_high)}`;
  const marks = [Plot.gridX({ strokeOpacity: 0.15 }), Plot.axisX({ anchor: "bottom", label: `${metricOf(metric).label} (${better(metric)})`, labelAnchor: "center", labelArrow: "none", ticks: 5 })];
  for (const name of present) {
    const [colour, symbol] = protocolLook(name);
    const mine = known.filter((row) => row.protocol === name);
    marks.push(Plot.ruleY(mine.filter((row) => row.ci_low !== null), { y: "id", x1: "ci_low", x2: "ci_high", stroke: shade(colour), strokeWidth: 1.6, dy: shift(name) }));
    marks.push(Plot.dot(mine, { y: "id", x: "mean", fill: shade(colour), symbol, r: 3.6, dy: shift(name), title: say_ }));
  }
  marks.push(Plot.tip(known, Plot.pointer({ y: "id", x: "mean", title: say_, maxRadius: 30 })));
  draw(
    target,
    {
      width,
      height: ids.length * 24 + 52,
      marginLeft: labelRoom([...label.values()], room),
      marginRight: 14,
      marginBottom: 40,
      x: { nice: true },
      y: { domain: ids, label: null, tickFormat: (id) => label.get(id), tickSize: 0 },
      marks,
    },
    title,
  );
};
const protocolKey = (names) =>
  element(
    "ul",
    { class: "key" },
    names.map((name) => {
      const [colour, symbol] = protocolLook(name);
      const shape = svg("svg", { width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true" });
      const kinds = { circle: d3.symbolCircle, square: d3.symbolSquare, triangle: d3.symbolTriangle, diamond2: d3.symbolDiamond2, triangle2: d3.symbolTriangle2 };
      shape.append(svg("path", { d: d3.symbol(kinds[symbol], 50)(), fill: shade(colour) }));
      return element("li", {}, shape, protocolTitle(name));
    }),
  );
const markKey = (entries) =>
  element(
    "ul",
    { class: "key" },
    entries.map(([words, colour, symbol]) => {
      const shape = svg("svg", { width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true" });
      const kind = { circle: d3.symbolCircle, square: d3.symbolSquare, diamond: d3.symbolDiamond, triangle: d3.symbolTriangle, cross: d3.symbolCross, wye: d3.symbolWye, star: d3.symbolStar }[symbol] ?? d3.symbolCircle;
      shape.append(svg("path", { d: d3.symbol(kind, 55)(), fill: shade(colour) }));
      return element("li", {}, shape, words);
    }),
  );

// Average ranks; what is within the critical difference of the first is shaded.
const drawRanks = (target, rows, title) => {
  const width = Math.min(widthOf(target), 900);
  const first = d3.min(rows, (row) => row.average_rank);
  const distance = rows[0].critical_difference;
  const ids = rows.map((row) => row.id);
  const room = Math.min(width * 0.5, 300);
  const label = new Map(ids.map((id) => [id, clipped(shortOf(id), room)]));
  draw(
    target,
    {
      width,
      height: ids.length * 22 + 52,
      marginLeft: labelRoom([...label.values()], room),
      marginRight: 20,
      marginBottom: 40,
      x: { domain: [1, Math.max(ids.length, first + distance)], label: null },
      y: { domain: ids, label: null, tickFormat: (id) => label.get(id), tickSize: 0 },
      marks: [
        Plot.rect([{}], { x1: first, x2: first + distance, fill: INK, fillOpacity: 0.08 }),
        Plot.gridX({ strokeOpacity: 0.15 }),
        Plot.axisX({ anchor: "bottom", label: "average rank over datasets (1 leads)", labelAnchor: "center", labelArrow: "none", ticks: 8 }),
        Plot.ruleY(rows, { y: "id", x1: 1, x2: "average_rank", stroke: INK, strokeOpacity: 0.35 }),
        Plot.dot(rows, { y: "id", x: "average_rank", r: 4.5, fill: INK, title: (row) => `${titleOf(row.id)}\naverage rank ${row.average_rank.toFixed(2)} over ${row.n_datasets} datasets` }),
      ],
    },
    title,
  );
};

// Every pair of methods: what the tests say, as a sign.
const VERDICTS = { better: ["+", "#0072b2"], worse: ["−", "#d55e00"], open: ["·", null] };
const REVERSED = { better: "worse", worse: "better" };
const isShown = (verdict) => verdict in REVERSED;
const conclusionOf = (row) => core.conclusions[row.verdict][0] + (isShown(row.verdict) && protocols.get(row.protocol).optimistic ? " (optimistic protocol)" : "");
const conclusionChip = (row) => chip(conclusionOf(row), core.conclusions[row.verdict][1]);
const drawPairs = (target, pairs, ids, title, note) => {
  const verdicts = new Map();
  for (const pair of pairs) {
    const verdict = isShown(pair.verdict) ? pair.verdict : "open";
    verdicts.set(`${pair.id}|${pair.reference}`, verdict);
    const other = `${pair.reference}|${pair.id}`;
    if (!verdicts.has(other)) verdicts.set(other, REVERSED[verdict] ?? "open");
  }
  const head = [element("td", {}), ...ids.map((id, at) => element("th", { scope: "col", title: titleOf(id) }, String(at + 1)))];
  const body = ids.map((id, row) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, element("span", { class: "number" }, String(row + 1)), titleOf(id)),
      ids.map((other) => {
        if (id === other) return element("td", { class: "self" }, "");
        const verdict = verdicts.get(`${id}|${other}`) ?? "none";
        const word = { better: "better than", worse: "worse than", open: "not told from", none: "not compared with" }[verdict];
        return element("td", { class: verdict, title: `${titleOf(id)}: ${word} ${titleOf(other)}` }, element("span", { "aria-hidden": "true" }, verdict === "none" ? "" : VERDICTS[verdict][0]), element("span", { class: "visually-hidden" }, word));
      }),
    ),
  );
  const table = element("table", { class: "pairs" }, element("caption", {}, title), element("thead", {}, element("tr", {}, head)), element("tbody", {}, body));
  target.replaceChildren(element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": title }, table), paragraph(note, "note"));
};

// Training curves: a line for each fold and seed of each quantity.
const QUANTITY_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc78bc", "#ca9161", "#949494"];
const drawCurves = (target, curves, logarithmic, title) => {
  const width = Math.min(widthOf(target), 900);
  const points = curves.flatMap((curve, line) =>
    curve.epoch.map((epoch, at) => ({ line, epoch, value: curve.value[at], quantity: curve.quantity, fold: curve.fold, seed: curve.seed })),
  );
  const known = points.filter((point) => point.value !== null && (!logarithmic || point.value > 0));
  const quantities = [...new Set(curves.map((curve) => curve.quantity))].sort();
  const words = (name) => name.replaceAll("_", " ");
  const colours = quantities.map((_, at) => QUANTITY_COLOURS[at % QUANTITY_COLOURS.length]);
  draw(
    target,
    {
      width,
      height: 320,
      marginLeft: 64,
      marginRight: 16,
      marginBottom: 42,
      x: { label: "epoch", labelAnchor: "center", labelArrow: "none", nice: true, tickFormat: "d" },
      y: { label: null, type: logarithmic ? "log" : "linear", nice: true, grid: true, ticks: 5, tickFormat: (value) => significant(value, 3) },
      color: { domain: quantities, range: colours.map(shade) },
      marks: [
        Plot.line(known, { x: "epoch", y: "value", z: "line", stroke: "quantity", strokeWidth: 1.4, strokeOpacity: 0.85 }),
        Plot.tip(known, Plot.pointer({ x: "epoch", y: "value", title: (p) => `${words(p.quantity)}\nepoch ${p.epoch}: ${significant(p.value, 4)}\nfold ${p.fold + 1}, seed ${p.seed + 1}` })),
      ],
    },
    title,
  );
  target.querySelector("figcaption").after(markKey(quantities.map((name, at) => [words(name), colours[at], "square"])));
};

// Cost against error, both on their own scale.
const drawCost = (target, rows, metric, title) => {
  const width = Math.min(widthOf(target), 900);
  const known = rows.filter((row) => row.seconds > 0 && row.mean !== null);
  draw(
    target,
    {
      width,
      height: 340,
      marginLeft: 64,
      marginRight: 24,
      marginBottom: 42,
      x: { type: "log", label: "training time, s (all folds and seeds)", labelAnchor: "center", labelArrow: "none", nice: true, ticks: 6, tickFormat: (value) => significant(value, 2) },
      y: { label: null, nice: true, grid: true, tickFormat: (value) => significant(value, 3) },
      marks: [
        Plot.ruleX(known.filter((row) => row.ci_low !== null), { x: "seconds", y1: "ci_low", y2: "ci_high", stroke: (row) => shade(methods.get(row.id).colour), strokeOpacity: 0.5 }),
        Plot.dot(known, { x: "seconds", y: "mean", symbol: (row) => methods.get(row.id).symbol, fill: (row) => shade(methods.get(row.id).colour), r: 5 }),
        Plot.tip(known, Plot.pointer({ x: "seconds", y: "mean", title: (row) => `${titleOf(row.id)}\n${duration(row.seconds)}\n${metricOf(metric).label} ${withInterval(metric, row.mean, row.ci_low, row.ci_high)}` })),
      ],
      symbol: { type: "identity" },
    },
    title,
    `${metricOf(metric).label} with 95 % intervals against training time; one mark for all embedding spaces of a method. Point at a mark for its figures, which the table has too.`,
  );
  const families = new Map(known.map((row) => [methods.get(row.id).family, methods.get(row.id)]));
  target.querySelector("figcaption").after(markKey([...families].map(([name, method]) => [name, method.colour, method.symbol])));
};
