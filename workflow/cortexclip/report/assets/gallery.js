// The gallery: stimuli on top, below them what every method made of them.
const galleryInfo = once(() => read("gallery"));
const galleryOf = (() => {
  const parsed = new Map();
  return (dataset, protocol) => {
    const key = `gallery/${dataset}/${protocol}`;
    if (!parsed.has(key)) parsed.set(key, document.getElementById(key) ? read(key) : null);
    return parsed.get(key);
  };
})();

// Pictures are decoded once, when they are first shown; those that are ready are drawn without waiting.
const decoding = new Map();
const ready = new Map();
const pictureOf = (sheet) => {
  if (!decoding.has(sheet)) {
    const image = new Image();
    image.src = `data:image/png;base64,${sheet.data}`;
    decoding.set(sheet, image.decode().then(() => ready.set(sheet, image), () => ready.set(sheet, null)));
  }
  return decoding.get(sheet);
};
// A few images of one run beside its scores, of trials evenly spaced over those of the gallery; the seen ones without an id.
const THUMBNAILS = 6;
const inSight = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((each) => each.isIntersecting)) {
    inSight.unobserve(entry.target);
    paint(entry.target.parentElement);
  }
}, { rootMargin: "200px" });
const thumbnails = (dataset, protocol, id) => {
  const gallery = galleryOf(dataset, protocol);
  const entry = gallery?.methods.find((each) => each.id === id);
  if (!gallery?.samples.length || (id && !entry)) return "";
  const stimuli = galleryInfo().stimuli[dataset];
  const count = Math.min(THUMBNAILS, gallery.samples.length);
  const ats = Array.from({ length: count }, (_, at) => Math.floor((at * gallery.samples.length) / count));
  const tiles = ats.map((at) => (id ? shownOf(gallery, entry, entry.seeds[0], at, { draw: "0" }, stimuli).slice(0, 2) : [stimuli, gallery.stimuli[at]]));
  const canvas = stripOf(tiles, `${id ? `${id}: reconstructions` : "Seen images"} of trials ${ats.map((at) => gallery.samples[at]).join(", ")}`, "thumbnails");
  canvas.style.setProperty("--count", count);
  inSight.observe(canvas);
  return element("span", {}, canvas);
};
// Images side by side, drawn on one canvas for speed; between two of them is a gap of a fourteenth of their width.
const GAP = 1 / 14;
const stripOf = (tiles, label, kind = "strip-canvas") => {
  const canvas = element("canvas", { role: "img", "aria-label": label, class: kind });
  canvas.tiles = tiles;
  return canvas;
};
const tileOf = (sheet, number, label) => stripOf([[sheet, number]], label, "tile");
// Draws all tiles below a node, and says when that is done.
const paint = (node) => {
  const fill = (canvas) => {
    const [{ width, height }] = canvas.tiles[0];
    const size = Math.round(72 * Math.min(2, Math.max(1, devicePixelRatio)));
    const tall = Math.round((size * height) / width);
    const step = size * (1 + GAP);
    canvas.width = Math.round(canvas.tiles.length * step - size * GAP);
    canvas.height = tall;
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    canvas.tiles.forEach(([sheet, number], at) => {
      const picture = ready.get(sheet);
      const x = Math.round(at * step);
      context.fillStyle = picture && number >= 0 ? "#000" : "#888";
      context.fillRect(x, 0, size, tall);
      if (!picture || number < 0) return;
      const [column, row] = [number % sheet.columns, Math.floor(number / sheet.columns)];
      context.drawImage(picture, column * width, row * height, width, height, x, 0, size, tall);
    });
  };
  const waiting = [];
  for (const canvas of node.querySelectorAll("canvas")) {
    const missing = [...new Set(canvas.tiles.map(([sheet]) => sheet))].filter((sheet) => !ready.has(sheet));
    if (missing.length) waiting.push(Promise.all(missing.map(pictureOf)).then(() => fill(canvas)));
    else fill(canvas);
  }
  return Promise.all(waiting);
};
// Decodes what the gallery shows first, so that it is there at once, in print too.
const prepareGallery = () => {
  const { dataset, protocol, seed } = stateOf("gallery");
  const gallery = galleryOf(dataset, protocol);
  if (!gallery) return;
  pictureOf(galleryInfo().stimuli[dataset]);
  for (const entry of gallery.methods) {
    const { sheet } = seedOf(entry, { seed });
    if (sheet) pictureOf(sheet);
  }
};

const trialName = (gallery, at) => {
  const label = gallery.labels[at];
  return `trial ${gallery.samples[at]}${label >= 0 ? `, class ${label}` : ""}`;
};
const scoreText = (metric, value) => fixed(value, metric.decimals);
const seedOf = (entry, state) => entry.seeds[Math.min(Number(state.seed), entry.seeds.length - 1)];
const seedWords = (entry, state) => {
  if (entry.n_seeds === 1) return "one fit";
  const number = Math.min(Number(state.seed), entry.seeds.length - 1);
  return `seed ${number + 1} of ${entry.n_seeds}`;
};
// What a method shows of a trial: the sheet, the number of its tile and what it is.
const shownOf = (gallery, entry, seed, at, state, stimuli) => {
  if (!seed.sheet) return [stimuli, seed.tiles[at], ""];
  const draw = Number(state.draw) - 1;
  if (draw >= 0 && seed.draws && draw < seed.draws.tiles.length) return [seed.draws.sheet, seed.draws.tiles[draw][at], `draw ${draw + 1}`];
  return [seed.sheet, seed.tiles[at], ""];
};

define(
  "gallery",
  () => ({ dataset: firstDataset, protocol: firstProtocol(firstDataset), fold: ALL, page: "0", seed: "0", draw: "0", score: "mse", hide: "", trial: "" }),
  (body) => {
    const here = () => galleryOf(stateOf("gallery").dataset, stateOf("gallery").protocol);
    const visible = (gallery, state) => gallery.samples.map((_, at) => at).filter((at) => state.fold === ALL || String(gallery.folds[at]) === state.fold);
    const restart = (dataset) => ({ ...moveTo("gallery")(dataset), page: "0", fold: ALL, trial: "" });
    const controls = [
      chooser("gallery", "dataset", "Dataset", datasetOptions, restart),
      chooser("gallery", "protocol", "Protocol", () => protocolOptions(stateOf("gallery").dataset), (protocol) => ({ protocol, page: "0", fold: ALL, trial: "" })),
      chooser(
        "gallery",
        "fold",
        "Fold",
        () => withAll("all folds", [...new Set(here().folds)].sort((a, b) => a - b).map((fold) => [String(fold), `fold ${fold + 1}`])),
        (fold) => ({ fold, page: "0" }),
      ),
      chooser("gallery", "seed", "Seed", () => Array.from({ length: Math.max(...here().methods.map((entry) => entry.seeds.length)) }, (_, at) => [String(at), `seed ${at + 1}`])),
      chooser("gallery", "draw", "Image", () => [
        ["0", "the scored image"],
        ...Array.from({ length: Math.max(0, ...here().methods.map((entry) => entry.seeds[0].draws?.tiles.length ?? 0)) }, (_, at) => [String(at + 1), `draw ${at + 1}`]),
      ]),
      chooser("gallery", "score", "Score below", () => {
        const present = new Set(here().methods.flatMap((entry) => Object.keys(entry.seeds[0].scores)));
        return galleryInfo().shown.filter((metric) => present.has(metric.metric)).map((metric) => [metric.metric, metric.label]);
      }),
    ];
    const picker = element("details", { class: "picker" }, element("summary", {}, "Methods"), element("fieldset", {}, element("legend", { class: "visually-hidden" }, "Methods that are shown")));
    const flip = (step) => change("gallery", { page: String(Number(stateOf("gallery").page) + step) });
    const previous = element("button", { type: "button", class: "flip", "data-flip": "previous", onclick: () => flip(-1) }, "‹ Previous");
    const next = element("button", { type: "button", class: "flip", "data-flip": "next", onclick: () => flip(1) }, "Next ›");
    const where = element("span", { class: "where", "aria-live": "polite" });
    const caveats = element("div", {});
    const board = element("div", { class: "board", role: "group", "aria-label": "Stimuli and reconstructions" });
    const remarks = element("div", {});
    const dialog = element("dialog", { "aria-labelledby": "trial-title" });
    dialog.addEventListener("close", () => stateOf("gallery").trial !== "" && change("gallery", { trial: "" }));
    body.append(
      paragraph("The seen images, and below them every method's reconstructions. Choose a stimulus to see all of its scores and the images retrieved for it.", "lead"),
      element("div", { class: "controls" }, controls, picker),
      element("div", { class: "flipper" }, previous, where, next, element("span", { class: "hint" }, "Arrow keys flip, too.")),
      caveats,
      board,
      remarks,
      dialog,
    );
    body.addEventListener("keydown", (event) => {
      if (dialog.open || event.target.matches("select, input") || event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === "ArrowLeft" && !previous.disabled) flip(-1);
      else if (event.key === "ArrowRight" && !next.disabled) flip(1);
    });

    const hiddenOf = (state) => new Set(state.hide ? state.hide.split(",") : []);
    const drawPicker = (gallery, state) => {
      const hidden = hiddenOf(state);
      const group = picker.querySelector("fieldset");
      const names = gallery.methods.map((entry) => entry.id);
      if (group.dataset.names !== names.join(",")) {
        group.dataset.names = names.join(",");
        const toggle = (id) => (event) => {
          const now = hiddenOf(stateOf("gallery"));
          if (event.target.checked) now.delete(id);
          else now.add(id);
          change("gallery", { hide: [...now].join(",") });
        };
        const all = (on) => () => change("gallery", { hide: on ? "" : names.slice(1).join(",") });
        group.replaceChildren(
          group.querySelector("legend"),
          element("div", { class: "row" }, element("button", { type: "button", onclick: all(true) }, "All"), element("button", { type: "button", onclick: all(false) }, "Only the first")),
          ...names.map((id) => element("label", {}, element("input", { type: "checkbox", value: id, onchange: toggle(id) }), ` ${titleOf(id)}`)),
        );
      }
      for (const box of group.querySelectorAll("input")) box.checked = !hidden.has(box.value);
      picker.querySelector("summary").textContent = `Methods (${names.filter((id) => !hidden.has(id)).length} of ${names.length})`;
    };

    const render = (state) => {
      const gallery = here();
      if (!gallery) return board.replaceChildren(paragraph("There are no images of this dataset and protocol.", "nothing"));
      putBadges(caveats, state);
      const stimuli = galleryInfo().stimuli[state.dataset];
      const metric = galleryInfo().shown.find((each) => each.metric === state.score);
      drawPicker(gallery, state);
      const hidden = hiddenOf(state);
      const trials = visible(gallery, state);
      const narrow = matchMedia("(max-width: 640px)").matches;
      const room = board.clientWidth - (narrow ? 0 : 270);
      const size = narrow ? 63 : 70;
      const across = Math.max(3, Math.floor((room + size * GAP) / (size * (1 + GAP))));
      const pages = Math.max(1, Math.ceil(trials.length / across));
      const page = Math.min(Math.max(0, Number(state.page) || 0), pages - 1);
      state.page = String(page);
      const ats = trials.slice(page * across, (page + 1) * across);
      const focused = document.activeElement;
      previous.disabled = page === 0;
      next.disabled = page === pages - 1;
      if (focused === next && next.disabled) previous.focus(); // a button that is disabled would lose the focus
      else if (focused === previous && previous.disabled) next.focus();
      const total = trials.length === gallery.n_scored ? `${trials.length} scored trials` : `${trials.length} of ${gallery.n_scored} scored trials`;
      where.textContent = ats.length ? `${page * across + 1}–${page * across + ats.length} of ${total}` : "no trials";
      board.style.setProperty("--across", Math.max(1, ats.length));

      const head = element(
        "div",
        { class: "strip seen" },
        element("div", { class: "label" }, element("strong", {}, "Seen image")),
        element("div", { class: "cells" }, ats.map((at) =>
          element(
            "div",
            { class: "item" },
            element("button", { type: "button", class: "pick", "data-at": at, "aria-label": `Details of ${trialName(gallery, at)}`, onclick: () => change("gallery", { trial: String(gallery.samples[at]) }) }, tileOf(stimuli, gallery.stimuli[at], `Seen image, ${trialName(gallery, at)}`)),
            element("span", { class: "score" }, `#${gallery.samples[at]}`),
          ),
        )),
      );
      const strips = gallery.methods
        .filter((entry) => !hidden.has(entry.id))
        .map((entry) => {
          const seed = seedOf(entry, state);
          const values = seed.scores[state.score];
          const shown = ats.map((at) => shownOf(gallery, entry, seed, at, state, stimuli));
          const below = ats.map((at, index) => shown[index][2] || (values ? scoreText(metric, values[at]) : NONE));
          return element(
            "div",
            { class: "strip" },
            element("div", { class: "label" }, methodName(entry.id), element("span", { class: "note" }, seedWords(entry, state)), markOf(state)),
            ats.length
              ? element(
                  "div",
                  { class: "cells" },
                  stripOf(shown.map(([sheet, number]) => [sheet, number]), `${entry.id}: reconstructions of trials ${ats.map((at) => gallery.samples[at]).join(", ")}; ${metric.label} below each`),
                  below.map((score) => element("span", { class: "score" }, score)),
                )
              : null,
          );
        });
      const fresh = element("div", { class: "strips" }, head, strips);
      board.replaceChildren(fresh);
      board.removeAttribute("data-painted");
      paint(fresh).then(() => {
        board.setAttribute("data-painted", state.page);
        // The pictures of the next seed, while nobody waits.
        (window.requestIdleCallback ?? setTimeout)(() => {
          for (const entry of gallery.methods) {
            const { sheet } = seedOf(entry, { seed: String(Number(state.seed) + 1) });
            if (sheet) pictureOf(sheet);
          }
        });
      });
      const draws = gallery.methods.filter((entry) => entry.seeds[0].draws);
      remarks.replaceChildren(
        list([
          "Grey values from 0 (black) to 1 (white), shown in 64 levels; scores are of the images as predicted.",
          ...(draws.length ? [`Images are drawn by ${draws.map((entry) => entry.id).join(", ")}; under this name the mean of all draws is shown, and under the name that ends in _draw the first draw. Draws are from the first seed.`] : []),
          ...galleryInfo().left_out,
          ...(protocols.get(state.protocol).optimistic ? [protocols.get(state.protocol).note] : []),
          ...(core.caveats[state.dataset]?.[state.protocol] ?? []),
        ]),
      );
      drawTrial(gallery, state, stimuli);
    };

    const drawTrial = (gallery, state, stimuli) => {
      const at = gallery.samples.indexOf(Number(state.trial));
      if (state.trial === "" || at < 0) {
        if (dialog.open) dialog.close();
        return;
      }
      const trials = visible(gallery, state);
      const step = (way) => {
        const to = trials[trials.indexOf(at) + way];
        return element("button", { type: "button", "data-step": way, disabled: to === undefined, onclick: () => change("gallery", { trial: String(gallery.samples[to]) }) }, way < 0 ? "‹ Previous trial" : "Next trial ›");
      };
      const shown = galleryInfo().shown.filter((metric) => gallery.methods.some((entry) => entry.seeds[0].scores[metric.metric]));
      const retrieving = gallery.methods.some((entry) => entry.seeds[0].retrieved);
      const lines = gallery.methods.map((entry) => {
        const seed = seedOf(entry, state);
        const [sheet, number, what] = shownOf(gallery, entry, seed, at, state, stimuli);
        return element(
          "tr",
          {},
          element("th", { scope: "row" }, methodName(entry.id), element("span", { class: "note" }, ` ${seedWords(entry, state)}${what ? `, ${what}` : ""}`)),
          element("td", {}, tileOf(sheet, number, `${entry.id}, ${trialName(gallery, at)}`)),
          shown.map((metric) => element("td", { class: "number" }, seed.scores[metric.metric] ? scoreText(metric, seed.scores[metric.metric][at]) : NONE)),
          retrieving ? element("td", { class: "retrieved" }, (seed.retrieved?.[at] ?? []).map((stimulus, rank) => element("span", { class: stimulus === gallery.stimuli[at] ? "right" : null }, tileOf(stimuli, stimulus, `Retrieved ${rank + 1}${stimulus === gallery.stimuli[at] ? ", the seen image" : ""}`)))) : null,
        );
      });
      const focused = dialog.open && dialog.contains(document.activeElement) ? document.activeElement.dataset.step : null;
      const table = element(
        "table",
        {},
        element("caption", { class: "visually-hidden" }, "Every method on this trial"),
        element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Method"), element("th", { scope: "col" }, "Image"), shown.map((metric) => element("th", { scope: "col", class: "number" }, metric.label)), retrieving ? element("th", { scope: "col" }, "Retrieved, nearest first") : null)),
        element("tbody", {}, lines),
      );
      dialog.replaceChildren(
        element(
          "div",
          { class: "trial-head" },
          tileOf(stimuli, gallery.stimuli[at], `Seen image, ${trialName(gallery, at)}`),
          element("div", {}, element("h3", { id: "trial-title" }, `Trial ${gallery.samples[at]}`), paragraph([datasetTitle(state.dataset), protocolTitle(state.protocol), `fold ${gallery.folds[at] + 1}`, ...(gallery.labels[at] >= 0 ? [`class ${gallery.labels[at]}`] : [])].join("; "), "note"), badges(state.dataset, state.protocol)),
          element("div", { class: "buttons" }, step(-1), step(1), element("button", { type: "button", "data-step": "close", onclick: () => dialog.close() }, "Close")),
        ),
        scrolling("Scores of this trial", table),
        downloads(`Scores of trial ${gallery.samples[at]} of ${state.dataset} ${state.protocol}`, { CSV: () => csvOfTable(table) }),
        retrieving ? paragraph("Retrieved: the distinct stimuli of the dataset whose embeddings are nearest to the predicted one; the seen image is framed. Methods without a predicted embedding retrieve nothing.", "note") : null,
      );
      if (!dialog.open) dialog.showModal();
      if (focused) (dialog.querySelector(`[data-step="${focused}"]:not(:disabled)`) ?? dialog.querySelector("[data-step]:not(:disabled)")).focus();
      paint(dialog);
    };
    return { controls, render };
  },
);
