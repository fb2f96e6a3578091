// Charts. Each says in words what it shows; the same numbers stand in a table beside it.
const INK = "currentColor";
const widthOf = (target) => Math.max(280, Math.floor(target.clientWidth || target.parentElement?.clientWidth || 720));
let printing = false;
const dark = () => {
  if (printing) return false;
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
const shade = (colour) => (dark() ? d3.interpolateLab(colour, "#ffffff")(0.35) : colour);
const draw = (target, options, title, key, note) => {
  const plot = Plot.plot({ style: { fontSize: "12px", fontFamily: "system-ui, sans-serif", background: "transparent", overflow: "visible" }, ariaLabel: title, ...options });
  plot.setAttribute("role", "img");
  for (const group of plot.querySelectorAll("g[aria-label]")) group.removeAttribute("aria-label"); // the whole has one
  const figure = element("figure", {}, element("figcaption", {}, title), markKey(key), plot, note ? paragraph(note, "note") : null);
  const picture = () => pictureOfChart(figure, plot);
  figure.append(downloads(title, { SVG: () => new XMLSerializer().serializeToString(picture()), PNG: () => asPng(picture()) }));
  target.replaceChildren(figure);
};
const nothing = (target, sentence) => target.replaceChildren(paragraph(sentence, "nothing"));

// A chart as a picture of its own, in the colours that are shown: the title, the names of the marks, the plot.
const pictureOfChart = (figure, plot) => {
  const { color, fontFamily } = getComputedStyle(figure);
  const [width, height, line] = [Number(plot.getAttribute("width")), Number(plot.getAttribute("height")), 20];
  const entries = [...figure.querySelectorAll(".key li")];
  const title = figure.querySelector("figcaption").textContent;
  const text = (words, x, y, weight) => {
    const node = svg("text", { x, y, "font-size": 12, "font-weight": weight, fill: "currentColor" });
    node.textContent = words;
    return node;
  };
  const inner = plot.cloneNode(true);
  for (const tip of inner.querySelectorAll("[aria-label=tip]")) tip.remove();
  inner.setAttribute("y", (entries.length + 1) * line + 8);
  const whole = svg("svg", { width, height: height + (entries.length + 1) * line + 8, color, "font-family": fontFamily });
  whole.append(svg("rect", { width: "100%", height: "100%", fill: getComputedStyle(document.body).backgroundColor }), text(title, 8, 16, 600));
  entries.forEach((entry, at) => {
    const shape = entry.querySelector("path").cloneNode(true);
    shape.setAttribute("transform", `translate(16, ${(at + 1) * line + 12})`);
    whole.append(shape, text(entry.textContent, 28, (at + 1) * line + 16));
  });
  whole.append(inner);
  return whole;
};
const asPng = async (picture) => {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(picture))}`;
  await image.decode();
  const canvas = element("canvas", { width: 2 * image.width, height: 2 * image.height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve));
};

// The names of marks, above a chart.
const markKey = (entries) =>
  element(
    "ul",
    { class: "key" },
    entries.map(([words, colour, symbol]) => {
      const shape = svg("svg", { width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true" });
      const kind = { circle: d3.symbolCircle, square: d3.symbolSquare, diamond: d3.symbolDiamond, triangle: d3.symbolTriangle, cross: d3.symbolCross, wye: d3.symbolWye, star: d3.symbolStar }[symbol] ?? d3.symbolCircle;
      shape.append(svg("path", { d: d3.symbol(kind, 55)(), ...(colour ? { fill: shade(colour) } : { fill: "none", stroke: INK, "stroke-width": 1.6 }) }));
      return element("li", {}, shape, words);
    }),
  );

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
      element("th", { scope: "row" }, element("span", { class: "number" }, String(row + 1)), id),
      ids.map((other) => {
        if (id === other) return element("td", { class: "self" }, "");
        const verdict = verdicts.get(`${id}|${other}`) ?? "none";
        const word = { better: "better than", worse: "worse than", open: "not shown to differ from", none: "not compared with" }[verdict];
        return element("td", { class: verdict, title: `${id}: ${word} ${other}` }, element("span", { "aria-hidden": "true" }, verdict === "none" ? "" : VERDICTS[verdict][0]), element("span", { class: "visually-hidden" }, word));
      }),
    ),
  );
  const table = element("table", { class: "pairs" }, element("caption", {}, title), element("thead", {}, element("tr", {}, head)), element("tbody", {}, body));
  target.replaceChildren(scrolling(title, table), paragraph(note, "note"), downloads(title, { CSV: () => csvOf(pairs) }));
};

// Training curves: a line for each fold and seed of each quantity, with a ring at the epoch that was chosen.
const QUANTITY_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc78bc", "#ca9161", "#949494"];
const CHART = { height: 340, marginLeft: 64, marginRight: 24, marginBottom: 42 };
const axisY = (label, type) => ({ label, labelAnchor: "center", labelArrow: "none", type, nice: true, grid: true, ticks: 5, tickFormat: (value) => significant(value, 3) });
const axisX = (width, options) => ({ labelAnchor: "center", labelArrow: "none", nice: true, ticks: Math.max(3, Math.round(width / 130)), ...options });
const drawCurves = (target, curves, logarithmic, title) => {
  const width = Math.min(widthOf(target), 900);
  const points = curves.flatMap((curve, line) => curve.epoch.map((epoch, at) => ({ ...curve, line, epoch, value: curve.value[at], stopped: epoch === curve.chosen })));
  const known = points.filter((point) => point.value !== null && (!logarithmic || point.value > 0));
  const quantities = [...new Set(curves.map((curve) => curve.quantity))].sort();
  const words = (name) => name.replaceAll("_", " ");
  const colours = quantities.map((_, at) => QUANTITY_COLOURS[at % QUANTITY_COLOURS.length]);
  const chosen = known.filter((point) => point.stopped);
  draw(
    target,
    {
      width,
      ...CHART,
      x: axisX(width, { label: "epoch", tickFormat: "d" }),
      y: axisY(quantities.every((name) => name.endsWith("loss")) ? "loss" : "value", logarithmic ? "log" : "linear"),
      color: { domain: quantities, range: colours.map(shade) },
      marks: [
        Plot.line(known, { x: "epoch", y: "value", z: "line", stroke: "quantity", strokeWidth: 1.4, strokeOpacity: 0.85 }),
        Plot.dot(chosen, { x: "epoch", y: "value", r: 5, stroke: INK, strokeWidth: 1.6, fill: "quantity" }),
        Plot.tip(known, Plot.pointer({ x: "epoch", y: "value", title: (p) => `${words(p.quantity)}\nepoch ${p.epoch}: ${significant(p.value, 4)}${p.stopped ? ", chosen" : ""}\nfold ${p.fold + 1}, seed ${p.seed + 1}` })),
      ],
    },
    title,
    [...quantities.map((name, at) => [words(name), colours[at], "square"]), ...(chosen.length ? [["chosen epoch", null, "circle"]] : [])],
  );
};

// Cost against error.
const drawCost = (target, rows, metric, title) => {
  const width = Math.min(widthOf(target), 900);
  const known = rows.filter((row) => row.seconds > 0 && row.mean !== null);
  const families = new Map(known.map((row) => [methods.get(row.id).family, methods.get(row.id)]));
  draw(
    target,
    {
      width,
      ...CHART,
      x: axisX(width, { type: "log", label: "training time, s (all folds and seeds, logarithmic)", tickFormat: (value) => significant(value, 2) }),
      y: axisY(`${metricOf(metric).label} (${better(metric)})`),
      marks: [
        Plot.ruleX(known.filter((row) => row.ci_low !== null), { x: "seconds", y1: "ci_low", y2: "ci_high", stroke: (row) => shade(methods.get(row.id).colour), strokeOpacity: 0.5 }),
        Plot.dot(known, { x: "seconds", y: "mean", symbol: (row) => methods.get(row.id).symbol, fill: (row) => shade(methods.get(row.id).colour), r: 5 }),
        Plot.tip(known, Plot.pointer({ x: "seconds", y: "mean", title: (row) => `${row.id}\n${duration(row.seconds)}\n${metricOf(metric).label} ${withInterval(metric, row.mean, row.ci_low, row.ci_high)}` })),
      ],
      symbol: { type: "identity" },
    },
    title,
    [...families].map(([name, method]) => [name, method.colour, method.symbol]),
    `${metricOf(metric).label} with 95 % intervals against training time; all embedding spaces of a method have the same mark. Point at a mark to see its values, which are also in the table.`,
  );
};
