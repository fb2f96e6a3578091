// What all views share: the data, elements, numbers, the state of a view and its link.
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const once = (make) => {
  let made, value;
  return () => (made ? value : ((made = true), (value = make())));
};

// Tables come column by column: numbers as lists, words as numbers into a list of words.
const rowsOf = (columns) => {
  const names = Object.keys(columns);
  const lists = names.map((name) => {
    const column = columns[name];
    return Array.isArray(column) ? column : column.at.map((at) => (at < 0 ? null : column.words[at]));
  });
  const count = lists.length ? lists[0].length : 0;
  return Array.from({ length: count }, (_, row) => Object.fromEntries(names.map((name, at) => [name, lists[at][row]])));
};

const core = read("core");
core.datasets.sort((first, second) => first.simulated - second.simulated);
const tables = Object.fromEntries(Object.entries(core.tables).map(([name, columns]) => [name, once(() => rowsOf(columns))]));
const statistics = once(() => {
  const content = read("statistics");
  return { rows: rowsOf(content.pairs), onlyReference: content.only_reference };
});
const records = once(() => read("records"));
const methods = new Map(core.methods.map((method) => [method.id, method]));
const datasets = new Map(core.datasets.map((dataset) => [dataset.name, dataset]));
const protocols = new Map(core.protocols.map((protocol) => [protocol.name, protocol]));
const position = (names) => new Map([...names].map((name, at) => [name, at]));
const orderOf = { method: position(methods.keys()), dataset: position(datasets.keys()), protocol: position(protocols.keys()) };
// A method, dataset or protocol has one name, that of the configuration; its title stands beside it where there is room.
const called = (name, title) => (title && title.toLowerCase() !== name ? `${name}: ${title}` : name);
const titleOf = (id) => called(id, methods.get(id)?.title);
const datasetTitle = (name) => called(name, datasets.get(name)?.title);
const protocolTitle = (name) => called(name, protocols.get(name)?.title) + (protocols.get(name)?.optimistic ? " (optimistic)" : "");
const cellTitle = (dataset, protocol) => `${dataset}, ${protocol}`;
const encoderTitle = (name) => core.encoders[name] ?? name;
const metricOf = (name) => core.metrics[name] ?? { label: name, unit: "", higher: null, decimals: 3, chance: null };
const better = (metric) => (metricOf(metric).higher ? "higher is better" : "lower is better");
const heldCells = once(() => new Set(tables.comparison().map((row) => `${row.dataset}/${row.protocol}`)));
const protocolsFor = (dataset) => [...protocols.keys()].filter((name) => heldCells().has(`${dataset}/${name}`));
const firstDataset = core.datasets[0].name;
const firstProtocol = (dataset) => {
  const names = protocolsFor(dataset);
  return names.find((name) => !protocols.get(name).optimistic) ?? names[0];
};

const badgesOf = (dataset, protocol) => core.badges[dataset]?.[protocol] ?? [];

// Elements. Text always goes in as text.
const element = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
};
const svg = (tag, attributes, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes ?? {})) if (value !== null && value !== undefined) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const link = (address, text) => element("a", { href: address, rel: "noreferrer" }, text);
const paragraph = (text, kind) => element("p", { class: kind }, text);
// What must be seen beside scores: in words beside a heading, and as a mark beside every score.
const badges = (dataset, protocol) => {
  const found = badgesOf(dataset, protocol);
  return found.length ? element("ul", { class: "badges" }, found.map(([short, full]) => element("li", { title: full }, short))) : null;
};
const putBadges = (target, { dataset, protocol }) => target.replaceChildren(...[badges(dataset, protocol)].filter(Boolean));
const markOf = ({ dataset, protocol }) => {
  const words = badgesOf(dataset, protocol).map(([short]) => short).join("; ");
  return words ? element("span", { class: "mark", title: words }, element("span", { "aria-hidden": "true" }, "!"), element("span", { class: "visually-hidden" }, ` (${words})`)) : null;
};
const marked = (row, text) => {
  const mark = row.mean === null || text === NONE ? null : markOf(row);
  return mark ? element("span", { class: "marked" }, element("span", {}, text), mark) : text;
};
const list = (sentences) => element("ul", { class: "notes" }, sentences.map((sentence) => element("li", {}, sentence)));
const announce = (text) => (document.getElementById("status").textContent = text);

// Numbers: no more digits than the metric has, and no more than two of the half width of the interval.
const NONE = "–";
const minus = (text) => (/[1-9]/.test(text) ? text : text.replace(/^[-−]/, "")).replaceAll("-", "−");
const digitsFor = (decimals, low, high) => {
  if (low === null || high === null || low === undefined || !(high > low)) return decimals;
  return Math.max(0, Math.min(decimals, 1 - Math.floor(Math.log10((high - low) / 2))));
};
const fixed = (value, digits, sign) => {
  if (value === null || value === undefined) return NONE;
  const text = minus(value.toFixed(digits));
  return sign && value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
};
const withInterval = (metric, value, low, high, sign) => {
  if (value === null || value === undefined) return NONE;
  const digits = digitsFor(metricOf(metric).decimals, low, high);
  const interval = low === null || low === undefined ? "" : ` [${fixed(low, digits, sign)}, ${fixed(high, digits, sign)}]`;
  return fixed(value, digits, sign) + interval;
};
// A value of a published number's metric: three digits at least, and no fewer than the metric has.
const digitsOf = (metric, value) => Math.max(metricOf(metric).decimals, value ? Math.min(7, 2 - Math.floor(Math.log10(Math.abs(value)))) : 0);
const exact = (metric, value) => (value === null || value === undefined ? NONE : fixed(value, digitsOf(metric, value)));
const withRange = (metric, value, low, high) => {
  if (value === null || value === undefined) return NONE;
  const digits = digitsOf(metric, value);
  return `${fixed(value, digits)} [${fixed(low, digits)}, ${fixed(high, digits)}]`;
};
const pText = (value) => (value === null || value === undefined ? NONE : value < 0.001 ? "<0.001" : value.toFixed(3));
const significant = (value, digits) => (value === null || value === undefined ? NONE : minus(String(Number(value.toPrecision(digits)))));
const duration = (seconds) => {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 120) return `${significant(seconds, 2)} s`;
  return seconds < 7200 ? `${significant(seconds / 60, 2)} min` : `${significant(seconds / 3600, 2)} h`;
};
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// The state of each view is a handful of words; those that are not the default are in the address.
const views = {};
const states = {};
const stateOf = (name) => (states[name] ??= { ...views[name].defaults() });
const linkOf = (name) => {
  const defaults = views[name].defaults();
  const changed = Object.entries(stateOf(name)).filter(([key, value]) => String(value) !== String(defaults[key]));
  const query = new URLSearchParams(changed.map(([key, value]) => [key, String(value)])).toString();
  return `#${name}${query ? `?${query}` : ""}`;
};
const fromLink = (hash) => {
  const [name, query] = hash.replace(/^#/, "").split(/\?(.*)/s);
  const given = Object.fromEntries(new URLSearchParams(query ?? ""));
  if (!Object.hasOwn(views, name)) return { name, given, state: null };
  const state = views[name].defaults();
  for (const key of Object.keys(state)) if (Object.hasOwn(given, key)) state[key] = given[key];
  return { name, given, state };
};
const change = (name, changes) => {
  Object.assign(stateOf(name), changes);
  history.replaceState(null, "", linkOf(name));
  views[name].refresh();
};

// Controls that show and change one word of a view's state.
let controlCount = 0;
const chooser = (view, key, label, options, after) => {
  const id = `control-${(controlCount += 1)}`;
  const select = element("select", { id, "data-key": key, onchange: () => change(view, after ? after(select.value) : { [key]: select.value }) });
  const node = element("div", { class: "control" }, element("label", { for: id }, label), select);
  node.update = () => {
    const given = options();
    const wanted = stateOf(view)[key];
    const same = select.options.length === given.length && given.every(([value, text], at) => select.options[at].value === String(value) && select.options[at].text === text);
    if (!same) select.replaceChildren(...given.map(([value, text]) => element("option", { value }, text)));
    if (!given.some(([value]) => String(value) === String(wanted)) && given.length) stateOf(view)[key] = String(given[0][0]);
    select.value = String(stateOf(view)[key]);
    node.hidden = given.length < 2;
  };
  return node;
};
const searcher = (view, key, label) => {
  const id = `control-${(controlCount += 1)}`;
  const input = element("input", { id, type: "search", autocomplete: "off", "data-key": key, oninput: () => change(view, { [key]: input.value }) });
  const node = element("div", { class: "control" }, element("label", { for: id }, label), input);
  node.update = () => {
    if (input.value !== stateOf(view)[key]) input.value = stateOf(view)[key];
  };
  return node;
};
const ALL = "all";
const datasetOptions = () => core.datasets.map(({ name }) => [name, datasetTitle(name)]);
const withAll = (text, options) => (options.length > 1 ? [[ALL, text], ...options] : options);
const protocolOptions = (dataset) => protocolsFor(dataset).map((name) => [name, protocolTitle(name)]);
const moveTo = (view) => (dataset) => {
  const state = stateOf(view);
  return { dataset, protocol: protocolsFor(dataset).includes(state.protocol) ? state.protocol : firstProtocol(dataset) };
};

// Links to the files that a run leaves beside this page, of what a view shows.
const filesOf = (view, state) => {
  const wanted = (mine, chosen) => !mine || !chosen || chosen === ALL || mine === chosen;
  const address = (path) => `../${path.split("/").map(encodeURIComponent).join("/")}`;
  return (core.files[view] ?? [])
    .filter((each) => wanted(each.dataset, state.dataset) && wanted(each.protocol, state.protocol))
    .map(({ name, dataset, protocol, files }) => {
      const title = [name.replaceAll("_", " "), [dataset, protocol].filter(Boolean).join(", ")].filter(Boolean).join(": ");
      const links = Object.entries(files).map(([suffix, path]) => [" ", element("a", { href: address(path), "aria-label": `${title}, ${suffix}` }, suffix.toUpperCase())]);
      return element("li", {}, title, links);
    });
};

// A view is built when it is first shown; what it then does on every change is `refresh`.
const define = (name, defaults, build) => {
  views[name] = {
    defaults,
    built: false,
    refresh: () => {},
    show() {
      if (!this.built) {
        this.built = true;
        const body = document.querySelector(`#view-${CSS.escape(name)} .body`);
        const { controls = [], render } = build(body);
        const list = element("ul", {});
        const files = element("details", { class: "files" }, element("summary", {}, "Tables and figures as files of the results folder that this page belongs to"), list);
        body.after(files);
        this.refresh = () => {
          for (const control of controls) control.update();
          render(stateOf(name));
          list.replaceChildren(...filesOf(name, stateOf(name)));
          files.hidden = !list.children.length;
        };
      }
      this.refresh();
    },
  };
};
