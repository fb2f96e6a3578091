// The views but the gallery, and what starts the page.
const standing = once(() => {
  const found = new Map();
  for (const rows of d3.group(tables.leaders(), (row) => `${row.dataset}/${row.protocol}/${row.metric}`).values()) {
    const rivals = rows.filter((row) => row.rival === true);
    const tied = rivals.filter((row) => row.tied === true).length;
    for (const row of rows) {
      let look = ["not compared with the leader", "none"];
      if (row.rival) look = row.tied ? ["reference, not shown to be worse than the leader", "tied"] : ["reference, worse than the leader", "behind"];
      if (row.leader) look = !rivals.length ? ["leads", "open"] : tied ? [`leads, not shown to be better than ${tied} of ${rivals.length} references`, "tied"] : ["leads, better than the references", "best"];
      if (!row.decidable && (row.leader || row.rival)) look = [row.leader ? `leads; ${core.undecided}` : core.undecided, "open"];
      found.set(`${row.dataset}/${row.protocol}/${row.metric}/${row.id}`, look);
    }
  }
  return found;
});
const standingOf = (row) => {
  if (methods.get(row.id)?.oracle) return ["oracle, no candidate", "none"];
  return standing().get(`${row.dataset}/${row.protocol}/${row.metric}/${row.id}`) ?? ["not tested", "none"];
};
const LEGEND = [
  ["best", "better than the references", "leads, and the tests show that it is better than every declared reference"],
  ["tied", "no difference shown", "between the leader and a reference, which does not mean that they are equal"],
  ["behind", "worse than the leader", "a reference that the tests show to be worse"],
  ["open", core.undecided, "whatever the difference"],
];
const RANK = { best: 0, tied: 1, open: 2, behind: 3, none: 4 };
const standingChip = (row) => chip(...standingOf(row));

const comparedMetrics = once(() => [...new Set(tables.comparison().map((row) => row.metric))]);
const testedMetrics = once(() => [...new Set(tables.leaders().map((row) => row.metric))]);
const metricOptions = (names) => names.map((name) => [name, metricOf(name).label + (metricOf(name).unit ? `, ${metricOf(name).unit}` : "")]);
const methodName = (id) => {
  const method = methods.get(id);
  const title = method && called(id, method.title) !== id ? element("span", { class: "note" }, method.title) : null;
  return element("span", { class: "method", title: method?.note || null }, element("i", { class: "swatch", style: { backgroundColor: method?.colour ?? "transparent" } }), element("span", {}, element("span", { class: "name" }, id.split(/(?<=\.)/).map((part, at) => [at ? element("wbr") : "", part])), " ", title));
};
// Head of the rows of a dataset and protocol.
const cellHead = (dataset, protocol) => {
  const about = [datasets.get(dataset)?.title, protocols.get(protocol)?.title].filter((title, at) => title && title.toLowerCase() !== [dataset, protocol][at]);
  return { title: cellTitle(dataset, protocol), note: about.join("; "), badges: badges(dataset, protocol) };
};
const cellsOf = (rows) => {
  const rankOf = ([row]) => orderOf.dataset.get(row.dataset) * protocols.size + orderOf.protocol.get(row.protocol);
  return [...d3.group(rows, (row) => `${row.dataset}/${row.protocol}`).values()].sort((a, b) => rankOf(a) - rankOf(b));
};
const matches = (state, row) => (state.dataset === ALL || row.dataset === state.dataset) && (state.protocol === ALL || row.protocol === state.protocol);
const cellControls = (view) => [
  chooser(view, "dataset", "Dataset", () => withAll("all datasets", datasetOptions())),
  chooser(view, "protocol", "Protocol", () => withAll("all protocols", core.protocols.map((protocol) => [protocol.name, protocolTitle(protocol.name)]))),
];
const oneCell = (view) => [
  chooser(view, "dataset", "Dataset", datasetOptions, moveTo(view)),
  chooser(view, "protocol", "Protocol", () => protocolOptions(stateOf(view).dataset)),
];
const simulatedNote = (names) => {
  const simulated = names.filter((name) => datasets.get(name)?.simulated);
  return simulated.length ? ["Simulated responses say nothing about brains; they only show that the pipeline works."] : [];
};

// What became of published numbers: the words are those of the claims table, `core.verdicts` says how they look.
const OUTCOMES = new Map(core.verdicts.outcomes);
const outcomeChip = (claim) => chip(claim.outcome, `${OUTCOMES.get(claim.outcome) ?? "none"} long`);
const kindsOf = (claim) => [...new Set(core.sources[claim.source]?.status.map((entry) => entry.kind))];
const markTitle = (kind) => core.verdicts.marks[kind] ?? kind;
const marksNote = (claim) => (kindsOf(claim).length ? element("span", { class: "note" }, `the source: ${kindsOf(claim).map(markTitle).join(", ")}`) : null);
const noBrainData = (name) => core.stand_ins[name]?.brain_data === false;
const sourceLink = (name) => (core.sources[name] ? link(core.sources[name].link, core.sources[name].title) : name);

// The paper's table: three methods on four datasets as published, measured again and honest, beside controls.
const drawPaper = (target) => {
  const { methods: names, datasets: datasetNames, reference, ours, split } = core.paper;
  const rows = tables.paper();
  if (!rows.some((row) => row.remeasured !== null)) return target.append(paragraph("This configuration measures none of the published table's numbers.", "nothing"));
  const cellOf = new Map(rows.map((row) => [`${row.method}/${row.dataset}`, row]));
  const keyOf = (row) => [row.source, row.method, row.dataset, row.published].join("/");
  const claimOf = new Map(tables.claims().filter((claim) => claim.kind === "number" && claim.metric === "mse" && claim.part === null).map((claim) => [keyOf(claim), claim]));
  const meanOf = (dataset) => tables.comparison().find((row) => row.dataset === dataset && row.protocol === split && row.metric === "mse" && row.id === reference)?.mean ?? null;
  const honest = (dataset, value) => marked({ dataset, protocol: split }, exact("mse", value));
  const published = (name) => (dataset) => {
    const row = cellOf.get(`${name}/${dataset}`);
    if (!row) return NONE;
    const claim = claimOf.get(keyOf(row));
    const source = core.sources[row.source];
    const values = [
      ["published", source ? link(source.link, fixed(row.published, 6)) : fixed(row.published, 6)],
      ["again", withRange("mse", row.remeasured, row.low, row.high)],
      ["honest", honest(dataset, row.honest)],
    ];
    return element("div", { class: "block-cell" }, element("div", { class: "values" }, values.map(([word, value]) => [element("span", {}, word), element("span", {}, value)])), claim ? [outcomeChip(claim), claim.reason ? element("span", { class: "note" }, core.verdicts.reasons[claim.reason]) : null, noBrainData(claim.measured_on) ? element("span", { class: "note" }, `no brain data: ${claim.measured_on}`) : null, marksNote(claim)] : null);
  };
  const control = (dataset) => {
    const row = cellOf.get(`${names[0]}/${dataset}`);
    return row?.control ? element("span", {}, honest(dataset, row.control_value), " ", element("span", { class: "note" }, row.control)) : NONE;
  };
  const table = element("div", {});
  const others = element("div", {});
  target.append(table, others);
  drawTable(table, {
    caption: "The published table, measured again (mean squared error, lower is better)",
    columns: [{ key: "method", title: "Method", cell: (row) => row.title }, ...datasetNames.map((dataset) => ({ key: dataset, title: dataset, kind: "block", cell: (row) => row.cell(dataset) }))],
    csv: rows,
    groups: [
      {
        rows: [
          ...names.map((name) => ({ title: name, cell: published(name) })),
          ...(reference ? [{ title: reference, cell: (dataset) => honest(dataset, meanOf(dataset)) }] : []),
          { title: "Best control", cell: control },
          ...(ours ? [{ title: `${ours} (ours)`, cell: (dataset) => honest(dataset, cellOf.get(`${names[0]}/${dataset}`)?.ours) }] : []),
        ],
      },
    ],
  });
  table.append(
    list([
      `Published: with a link to its source. Again: with the procedure that made it, mean [range over seeds]. Honest: the same method where nothing is chosen on scored samples (${split ?? "not run"}); the rows below are from there, too.`,
      ...datasetNames.filter((dataset) => badgesOf(dataset, split).length).map((dataset) => `! ${cellTitle(dataset, split)}: ${badgesOf(dataset, split).map(([short]) => short).join("; ")}.`),
      ...(datasetNames.some(noStandBrain) ? [`${datasetNames.filter(noStandBrain).join(" and ")}: the brain data of the publication are not public; measured again on rows that contain no brain data. Best control there: always predicting the mean image.`] : []),
    ]),
  );
  const stood = Object.entries(core.stand_ins).filter(([name, about]) => about.stands_for !== name).map(([name, about]) => ({ name, ...about }));
  if (!stood.length) return;
  const again = (method) => (row) => {
    const found = cellOf.get(`${method}/${row.name}`);
    return found ? withRange("mse", found.remeasured, found.low, found.high) : NONE;
  };
  drawTable(others, {
    csv: rows.filter((row) => stood.some(({ name }) => name === row.dataset)),
    caption: "The same procedures on other files, and without brain data (mean squared error [range over seeds])",
    columns: [
      { key: "name", title: "Dataset", cell: (row) => called(row.name, row.title) },
      { key: "brain", title: "Brain data", cell: (row) => (row.brain_data ? "yes" : chip("no brain data", "behind")) },
      ...names.map((name) => ({ key: name, title: name, kind: "number", cell: again(name) })),
      { key: "constant", title: "Constant answer", kind: "number", cell: (row) => (row.brain_data ? NONE : exact("mse", row.constant)) },
    ],
    groups: [{ rows: stood }],
  });
  others.append(list(["Constant answer: always predicting the mean image, with every image shown equally often."]));
};
const noStandBrain = (dataset) => Object.entries(core.stand_ins).some(([name, about]) => name !== dataset && about.stands_for === dataset && !about.brain_data);


// Methods by their score, the leading first, beside images of what they made; the seen images on top.
const scoreTable = (target, caption, groups, metric, more = {}) => {
  const about = metricOf(metric);
  const scale = scaleOf(groups.flatMap(({ rows }) => rows).flatMap((row) => [row.mean, row.ci_low, row.ci_high]));
  const rowCell = (make) => (row) => (row.seen ? "" : make(row));
  drawTable(target, {
    caption,
    columns: [
      { key: "method", title: "Method", value: (row) => orderOf.method.get(row.id), cell: (row) => (row.seen ? "Seen images" : methodName(row.id)) },
      { key: "value", title: `${about.label} [95 % interval]`, kind: "number", value: (row) => row.mean, cell: rowCell((row) => marked(row, withInterval(metric, row.mean, row.ci_low, row.ci_high))) },
      { key: "images", title: "Images", kind: "images", cell: (row) => thumbnails(row.dataset, row.protocol, row.id) },
      { key: "plot", title: "Mean and interval", kind: "plot", head: axisHead(`${about.label}${about.unit ? `, ${about.unit}` : ""} (${better(metric)})`, scale), cell: rowCell((row) => whisker(scale, { value: row.mean, low: row.ci_low, high: row.ci_high, kind: standingOf(row)[1] })) },
      { key: "standing", title: "By the tests", value: (row) => RANK[standingOf(row)[1]], cell: rowCell(standingChip) },
      { key: "seeds", title: "Seeds", kind: "number", value: (row) => row.n_seeds, cell: rowCell((row) => String(row.n_seeds)) },
    ].filter((column) => !more.without?.includes(column.key)),
    groups: groups.map((group) => {
      const [{ dataset, protocol }] = group.rows;
      const rows = [...group.rows].sort((a, b) => byValue(a.mean, b.mean, about.higher));
      return { ...group, rows, first: thumbnails(dataset, protocol) ? { dataset, protocol, seen: true } : null };
    }),
    ...more,
  });
};

const SHOWN_FIRST = 5;
define(
  "overview",
  () => ({ metric: comparedMetrics()[0] }),
  (body) => {
    const controls = [chooser("overview", "metric", "Metric", () => metricOptions(testedMetrics().length ? testedMetrics() : comparedMetrics()))];
    const [cards, paper] = [element("div", { class: "answers" }), element("div", { class: "paper" })];
    drawPaper(paper);
    body.append(
      element("div", { class: "controls" }, controls),
      cards,
      element("h3", {}, "The published table"),
      paper,
      list([
        "The leader is compared with the references that were declared beforehand, corrected for a fixed number of comparisons. That no difference is shown does not mean that methods are equal.",
        ...core.protocols.filter((protocol) => protocol.optimistic).map((protocol) => `${protocol.name}: ${protocol.note}`),
        ...core.datasets.flatMap((dataset) => dataset.notes.map((note) => `${dataset.name}: ${note}`)),
        ...(core.precision ? [core.precision] : []),
        ...Object.entries(core.unavailable).map(([name, why]) => `Not available here and left out: ${name}. ${why}`),
      ]),
    );
    const render = ({ metric }) => {
      cards.replaceChildren();
      for (const cell of cellsOf(tables.comparison().filter((row) => row.metric === metric))) {
        const [{ dataset, protocol }] = cell;
        const { title, note } = cellHead(dataset, protocol);
        const answer = core.answers.find((each) => each.dataset === dataset && each.protocol === protocol && each.metric === metric);
        const ranked = cell.filter((row) => row.mean !== null && !methods.get(row.id)?.oracle).sort((a, b) => byValue(a.mean, b.mean, metricOf(metric).higher));
        const rows = ranked.filter((row, at) => at < SHOWN_FIRST || row.id === core.reference);
        const table = element("div", {});
        cards.append(
          element(
            "article",
            {},
            element("h3", {}, title, " ", element("span", { class: "note" }, note)),
            badges(dataset, protocol),
            paragraph(answer?.text ?? "No method could be ranked by this metric.", "answer"),
            answer?.lead ? paragraph(answer.lead) : null,
            table,
            paragraph(link(`#comparison?${new URLSearchParams({ dataset, protocol, metric })}`, `All ${cell.length} methods`)),
          ),
        );
        if (rows.length) scoreTable(table, `The leading methods by ${metricOf(metric).label} (${better(metric)})${rows.length > SHOWN_FIRST ? ` and the reference ${core.reference}` : ""}`, [{ rows }], metric, { without: ["plot", "seeds"] });
      }
    };
    return { controls, render };
  },
);

define(
  "comparison",
  () => ({ dataset: firstDataset, protocol: ALL, metric: comparedMetrics()[0], encoder: ALL, find: "", sort: "" }),
  (body) => {
    const encoders = () => [...new Set(core.methods.map((method) => method.encoder))];
    const controls = [
      ...cellControls("comparison"),
      chooser("comparison", "metric", "Metric", () => metricOptions(comparedMetrics())),
      chooser("comparison", "encoder", "Embedding space", () => withAll("all", encoders().map((name) => [name, name === "none" ? "none" : encoderTitle(name)]))),
      searcher("comparison", "find", "Method"),
    ];
    const table = element("div", {});
    const notes = element("div", {});
    body.append(element("div", { class: "controls" }, controls), table, notes);
    const render = (state) => {
      const { metric } = state;
      const about = metricOf(metric);
      const wanted = (text) => text.toLowerCase().includes(state.find.trim().toLowerCase());
      const rows = tables.comparison().filter((row) => row.metric === metric && matches(state, row) && (state.encoder === ALL || methods.get(row.id).encoder === state.encoder) && wanted(titleOf(row.id)));
      const groups = cellsOf(rows).map((cell) => {
        const [first] = cell;
        const average = protocols.get(first.protocol)?.average === "stimulus" ? "stimuli" : "trials";
        const chance = first.chance ?? about.chance;
        const { note, ...head } = cellHead(first.dataset, first.protocol);
        const notes = [note, `${first.n_samples} scored ${average}`, chance !== null && chance !== undefined ? `chance ${significant(chance, 2)}` : "", first.gallery_size ? `gallery of ${significant(first.gallery_size, 3)} stimuli` : ""];
        return { ...head, note: notes.filter(Boolean).join("; "), rows: cell };
      });
      scoreTable(table, `${about.label} of every method (${better(metric)})`, groups, metric, { sort: state.sort, onsort: (sort) => change("comparison", { sort }) });
      const shown = [...new Set(rows.map((row) => row.dataset))];
      notes.replaceChildren(
        element("ul", { class: "key" }, LEGEND.filter(([kind]) => rows.some((row) => standingOf(row)[1] === kind)).map(([kind, text, words]) => element("li", {}, chip(text, kind), words))),
        list([
          "Mean [95 % interval over stimuli and seeds]. Tests: paired permutation against the declared references at 0.05, corrected for the declared number of comparisons; oracles are given something of the scored image and cannot lead.",
          ...simulatedNote(shown),
          ...(shown.length === 1 && state.protocol !== ALL ? core.caveats[shown[0]]?.[state.protocol] ?? [] : []),
          ...shown.flatMap((name) => datasets.get(name).notes.map((note) => (shown.length === 1 ? note : `${name}: ${note}`))),
        ]),
      );
    };
    return { controls, render };
  },
);

define(
  "tests",
  () => ({ dataset: firstDataset, protocol: firstProtocol(firstDataset), metric: testedMetrics()[0] ?? "", reference: core.reference, sort: "difference.down" }),
  (body) => {
    const controls = [
      ...oneCell("tests"),
      chooser("tests", "metric", "Metric", () => metricOptions(testedMetrics())),
      chooser("tests", "reference", "Compared with", () => {
        const { dataset, protocol } = stateOf("tests");
        const present = new Set(tables.comparison().filter((row) => row.dataset === dataset && row.protocol === protocol).map((row) => row.id));
        const names = [...methods.keys()].filter((id) => present.has(id) && (!statistics().onlyReference || id === core.reference));
        return names.map((id) => [id, titleOf(id)]);
      }),
    ];
    const [caveats, differences, differenceNotes, pairs, ranks] = [1, 2, 3, 4, 5].map(() => element("div", {}));
    body.append(element("div", { class: "controls" }, controls), caveats, differences, differenceNotes, element("h3", {}, "Every pair"), pairs, element("h3", {}, "Ranks over datasets"), ranks);
    const render = (state) => {
      const { metric, reference } = state;
      putBadges(caveats, state);
      const label = metricOf(metric).label;
      const here = statistics().rows.filter((row) => row.dataset === state.dataset && row.protocol === state.protocol && row.metric === metric);
      const turned = here
        .filter((row) => row.reference === reference || row.id === reference)
        .map((row) => {
          if (row.reference === reference) return row;
          const turn = (value) => (value === null ? null : -value);
          return { ...row, id: row.reference, reference, difference: turn(row.difference), ci_low: turn(row.ci_high), ci_high: turn(row.ci_low), effect_size: turn(row.effect_size), verdict: REVERSED[row.verdict] ?? row.verdict };
        });
      const folds = turned.some((row) => row.p_corrected_t !== null);
      const scale = scaleOf(turned.flatMap((row) => [row.difference, row.ci_low, row.ci_high]), 0);
      drawTable(differences, {
        caption: `${label}: difference from ${reference}, ${cellTitle(state.dataset, state.protocol)}`,
        columns: [
          { key: "method", title: "Method", value: (row) => orderOf.method.get(row.id), cell: (row) => methodName(row.id) },
          { key: "difference", title: "Difference [95 % interval]", kind: "number", value: (row) => row.difference, cell: (row) => marked(row, withInterval(metric, row.difference, row.ci_low, row.ci_high, true)) },
          { key: "plot", title: "Difference", kind: "plot", head: axisHead("← worse | better →", scale), cell: (row) => whisker(scale, { value: row.difference, low: row.ci_low, high: row.ci_high, lines: [0], kind: core.conclusions[row.verdict][1] }) },
          { key: "effect", title: "d", kind: "number", value: (row) => row.effect_size, cell: (row) => fixed(row.effect_size, 2, true) },
          { key: "p", title: "p (corrected)", kind: "number", value: (row) => row.p_family, cell: (row) => pText(row.p_family) },
          ...(folds ? [{ key: "folds", title: "p (folds)", kind: "number", value: (row) => row.p_corrected_t, cell: (row) => pText(row.p_corrected_t) }] : []),
          { key: "conclusion", title: "Conclusion", value: conclusionOf, cell: conclusionChip },
        ],
        groups: [{ rows: turned }],
        sort: state.sort,
        onsort: (sort) => change("tests", { sort }),
        nothing: here.length ? `${reference} has no score here, so no method can be compared with it.` : "No pair of methods was tested here.",
      });
      const family = turned.find((row) => row.p_family !== null);
      differenceNotes.replaceChildren(
        list([
          `Positive: better than ${reference}${family ? `, on ${family.n_samples} samples of ${family.n_stimuli} stimuli` : ""}. d: Cohen's d over stimuli, corrected for small samples (Hedges).`,
          `p: paired permutation test that flips the signs of all differences of a stimulus together; corrected for the declared${family ? ` ${family.n_comparisons}` : ""} comparisons.${folds ? " Folds: Nadeau and Bengio's t-test over folds, not corrected for comparisons." : ""}`,
          ...(reference === core.reference ? [] : ["Pairs without a reference that was declared beforehand get no verdict."]),
          ...(statistics().onlyReference ? ["There are too many pairs for this page; all are in results/tables/statistics.csv."] : []),
          ...(protocols.get(state.protocol).optimistic ? [protocols.get(state.protocol).note] : []),
          ...(core.caveats[state.dataset]?.[state.protocol] ?? []),
        ]),
      );
      const ids = [...methods.keys()].filter((id) => here.some((row) => row.id === id || row.reference === id));
      const means = new Map(tables.comparison().filter((row) => row.dataset === state.dataset && row.protocol === state.protocol && row.metric === metric).map((row) => [row.id, row.mean]));
      const sign = metricOf(metric).higher ? -1 : 1;
      ids.sort((a, b) => sign * ((means.get(a) ?? Infinity) - (means.get(b) ?? Infinity)));
      if (ids.length) drawPairs(pairs, here, ids, `Is the method in the row better than the one in the column? ${label}, ${cellTitle(state.dataset, state.protocol)}`, `+ better, − worse, · no difference shown or no verdict; empty: not compared. Methods are ordered by their mean, the best first; columns have the numbers of the rows. Only pairs with a reference that was declared beforehand get a verdict.`);
      else nothing(pairs, "No pair of methods was tested here.");
      const ranked = tables.ranks().filter((row) => row.protocol === state.protocol && row.metric === metric);
      if (ranked.length) {
        const { n_datasets: count, friedman_p: p, critical_difference: distance } = ranked[0];
        const first = d3.min(ranked, (row) => row.average_rank);
        const scale = scaleOf([1, ...ranked.map((row) => row.average_rank), first + distance]);
        drawTable(ranks, {
          caption: `Average ranks over datasets by ${label} (1 leads), ${protocolTitle(state.protocol)}`,
          columns: [
            { key: "method", title: "Method", cell: (row) => methodName(row.id) },
            { key: "rank", title: "Average rank", kind: "number", cell: (row) => row.average_rank.toFixed(2) },
            { key: "plot", title: "Rank", kind: "plot", head: axisHead("average rank", scale), cell: (row) => whisker(scale, { value: row.average_rank, lines: [first + distance], kind: row.average_rank < first + distance ? "tied" : "behind" }) },
          ],
          groups: [{ rows: ranked }],
        });
        ranks.append(list([`Over ${count} datasets; Friedman's p ${pText(p)}. Methods within the critical difference of the first (Nemenyi, 0.05: ${distance.toFixed(1)}; dashed line) are not shown to differ from it. With few datasets it is large.`, ...simulatedNote(core.datasets.map((dataset) => dataset.name))]));
      } else nothing(ranks, "Ranks need at least three datasets and three methods with a mean on each; there are fewer here.");
    };
    return { controls, render };
  },
);

define(
  "ablation",
  () => ({ dataset: ALL, protocol: ALL, metric: "mse", sort: "" }),
  (body) => {
    if (!tables.ablation().length) {
      body.append(paragraph("No method of this configuration is a variant of another one in it, and none runs in more than one embedding space, so no part's contribution can be measured.", "nothing"), list(core.absent));
      return { render: () => {} };
    }
    const controls = [...cellControls("ablation"), chooser("ablation", "metric", "Metric", () => metricOptions([...new Set(tables.ablation().map((row) => row.metric))]))];
    const table = element("div", {});
    body.append(paragraph("Each variant against its plain method, and each embedding space against a plain one.", "lead"), element("div", { class: "controls" }, controls), table, list(["Positive: the part named in the row helps. Tests as in the view of tests, corrected within a dataset, protocol and metric.", ...core.absent]));
    const render = (state) => {
      const rows = tables.ablation().filter((row) => row.metric === state.metric && matches(state, row));
      const scale = scaleOf(rows.flatMap((row) => [row.difference, row.ci_low, row.ci_high]), 0);
      drawTable(table, {
        caption: `${metricOf(state.metric).label}: what each part contributes`,
        columns: [
          { key: "method", title: "Method", value: (row) => orderOf.method.get(row.id), cell: (row) => methodName(row.id) },
          { key: "reference", title: "Against", value: (row) => titleOf(row.reference), cell: (row) => methodName(row.reference) },
          { key: "difference", title: "Difference [95 % interval]", kind: "number", value: (row) => row.difference, cell: (row) => marked(row, withInterval(state.metric, row.difference, row.ci_low, row.ci_high, true)) },
          { key: "plot", title: "Difference", kind: "plot", head: axisHead("← worse | better →", scale), cell: (row) => whisker(scale, { value: row.difference, low: row.ci_low, high: row.ci_high, lines: [0], kind: core.conclusions[row.verdict][1] }) },
          { key: "p", title: "p (corrected)", kind: "number", value: (row) => row.p_family, cell: (row) => pText(row.p_family) },
          { key: "conclusion", title: "Conclusion", value: conclusionOf, cell: conclusionChip },
        ],
        groups: cellsOf(rows).map((cell) => ({ ...cellHead(cell[0].dataset, cell[0].protocol), rows: cell })),
        sort: state.sort,
        onsort: (sort) => change("ablation", { sort }),
      });
    };
    return { controls, render };
  },
);

const MOST_OPEN = 10;
const whatOf = (claim) =>
  [
    metricOf(claim.metric).label,
    claim.configuration === null ? "" : `configuration ${claim.configuration}`,
    claim.part === "select" ? "selection loss" : "",
    claim.folds === null ? "" : `${claim.folds} folds`,
    claim.seeds === null ? "" : `${claim.seeds} seeds`,
  ]
    .filter(Boolean)
    .join(", ");
const publishedText = (claim) => significant(claim.published, 6) + (claim.upper === null ? "" : ` to ${significant(claim.upper, 6)}`) + (claim.spread === null ? "" : ` ± ${significant(claim.spread, 6)}`);
const verdictCell = (claim, ...more) => element("div", { class: "block-cell" }, outcomeChip(claim), claim.reason ? element("span", { class: "note" }, core.verdicts.reasons[claim.reason] ?? claim.reason) : null, marksNote(claim), more);
const UNITS = { leads: " datasets", improvement: " %", mean_improvement: " %" };
const inWords = (claim) => claim.kind !== "number";
const honestText = (claim, value) => marked({ dataset: claim.dataset, protocol: claim.honest_protocol }, exact(claim.metric, value));
const sourceAbout = (name) => {
  const source = core.sources[name];
  if (!source) return null;
  const statuses = source.status.map((entry) => [markTitle(entry.kind), [entry.note, " ", link(entry.link, "Where this is stated")]]);
  return definitions([["It states", source.claimed], ["Its code", source.procedure], ["Not repeated here", source.differs], ...statuses]);
};
define(
  "claims",
  () => ({ dataset: ALL, method: ALL, outcome: ALL, source: ALL, sort: "" }),
  (body) => {
    const claims = tables.claims();
    if (!claims.length) {
      body.append(paragraph("No number has been published for what this configuration compares.", "nothing"));
      return { render: () => {} };
    }
    const names = (key) => [...new Set(claims.map((claim) => claim[key]))].filter(Boolean);
    const rankOf = (name) => orderOf.dataset.get(name) ?? 99;
    const datasetNames = names("dataset").sort((a, b) => rankOf(a) - rankOf(b));
    const controls = [
      chooser("claims", "dataset", "Dataset", () => withAll("all datasets", datasetNames.map((name) => [name, datasetTitle(name)]))),
      chooser("claims", "method", "Method", () => withAll("all methods", names("method").sort().map((name) => [name, name]))),
      chooser("claims", "outcome", "Verdict", () => withAll("all verdicts", [...OUTCOMES.keys()].filter((words) => claims.some((claim) => claim.outcome === words)).map((words) => [words, words]))),
      chooser("claims", "source", "Source", () => withAll("all sources", names("source").map((name) => [name, core.sources[name]?.title ?? name]))),
    ];
    const counts = (rows) => [...OUTCOMES.keys()].map((words) => [rows.filter((claim) => claim.outcome === words).length, words]).filter(([count]) => count).map(([count, words]) => `${count} ${words}`).join(", ");
    const empty = element("div", {});
    const [inNumbers, inText] = ["claims", "claims"].map((kind) => element("div", { class: kind }));
    body.append(
      paragraph(`Of ${plural(claims.length, "published number")} and verbal claims: ${counts(claims)}.`, "lead"),
      element("div", { class: "controls" }, controls),
      empty,
      inNumbers,
      inText,
      list([
        "Reproduced: the published value is in the range in which one more run of the source's procedure would be with probability 0.95 (prediction interval over our seeds). Measured again: mean over seeds [their range], with the source's procedure.",
        "In-sample: the procedure scores samples that it trained on. Without brain data: measured on rows that contain no brain data. Another version of the file: a second public file of the same trials gives the value, the first does not.",
        `Honest: the same method where nothing is chosen on scored samples${core.verdicts.honest}. Best control: the control with the best mean there; without brain data always predicting the mean image.`,
      ]),
    );
    const folds = new Map();
    const render = (state) => {
      const kept = claims.filter((claim) => ["dataset", "method", "outcome", "source"].every((key) => state[key] === ALL || claim[key] === state[key]));
      const groupsOf = (rows) =>
        [...d3.group(rows, (claim) => claim.source)].map(([name, mine]) => {
          const key = `${rows[0].kind === "number"}/${name}`;
          return {
            title: sourceLink(name),
            note: counts(mine),
            rows: mine,
            about: sourceAbout(name),
            folded: { name: core.sources[name]?.title ?? name, open: printing || (folds.get(key) ?? kept.length <= MOST_OPEN), onfold: (open) => folds.set(key, open) },
          };
        });
      const numericColumns = [
        { key: "dataset", title: "Dataset", value: (claim) => rankOf(claim.dataset), cell: (claim) => claim.dataset },
        { key: "method", title: "Method", value: (claim) => claim.method, cell: (claim) => claim.method },
        { key: "what", title: "What", value: whatOf, cell: whatOf },
        { key: "published", title: "Published", kind: "number", value: (claim) => claim.published, cell: publishedText },
        { key: "remeasured", title: "Measured again [range]", kind: "number", value: (claim) => claim.remeasured, cell: (claim) => element("span", {}, withRange(claim.metric, claim.remeasured, claim.smallest, claim.largest), claim.measured_on && claim.measured_on !== claim.dataset ? [element("br"), element("span", { class: "note" }, `on ${claim.measured_on}${noBrainData(claim.measured_on) ? ", no brain data" : ""}`)] : null) },
        { key: "honest", title: "Honest", kind: "number", value: (claim) => claim.honest, cell: (claim) => honestText(claim, claim.honest) },
        { key: "control", title: "Best control", kind: "number", value: (claim) => claim.control_value, cell: (claim) => (claim.control_value === null ? NONE : element("span", {}, honestText(claim, claim.control_value), element("br"), element("span", { class: "note" }, claim.control))) },
        { key: "verdict", title: "Verdict", kind: "block", value: (claim) => [...OUTCOMES.keys()].indexOf(claim.outcome), cell: (claim) => verdictCell(claim) },
      ];
      const verbalColumns = [
        { key: "claim", title: "Claim", kind: "text", cell: (claim) => claim.text },
        { key: "dataset", title: "Dataset", cell: (claim) => claim.dataset ?? "all four" },
        { key: "published", title: "Published", kind: "number", cell: (claim) => (claim.published === null ? NONE : `${significant(claim.published, 6)}${UNITS[claim.kind] ?? ""}`) },
        { key: "remeasured", title: "Measured again [range]", kind: "number", cell: (claim) => (claim.remeasured === null ? NONE : `${significant(claim.remeasured, 3)} [${significant(claim.smallest, 3)}, ${significant(claim.largest, 3)}]${UNITS[claim.kind] ?? ""}`) },
        { key: "verdict", title: "Verdict", kind: "block", cell: (claim) => verdictCell(claim, claim.kind === "size_class" ? element("span", { class: "note" }, claim.verdict) : null) },
      ];
      empty.replaceChildren(...(kept.length ? [] : [paragraph("Nothing matches these filters.", "nothing")]));
      const [verbal, numeric] = [true, false].map((text) => kept.filter((claim) => inWords(claim) === text));
      for (const [spot, mine, caption, columns] of [[inNumbers, numeric, "Published numbers, by source", numericColumns], [inText, verbal, "Verbal claims, by source", verbalColumns]]) {
        spot.hidden = !mine.length;
        if (mine.length) drawTable(spot, { caption, columns, groups: groupsOf(mine), sort: state.sort, onsort: (sort) => change("claims", { sort }) });
        else spot.replaceChildren();
      }
    };
    return { controls, render };
  },
);

const SEVERITY = { serious: "behind", notable: "open", info: "none" };
define(
  "audit",
  () => ({ dataset: ALL, severity: "grave", scope: ALL }),
  (body) => {
    const findings = tables.audit();
    if (!findings.length) {
      body.append(paragraph("The audit of this run has no findings.", "nothing"));
      return { render: () => {} };
    }
    const severities = [...new Set(["serious", "notable", "info", ...findings.map((row) => row.severity)])].filter((word) => findings.some((row) => row.severity === word));
    const scopeTitle = (scope) => (scope === "dataset" ? "data" : protocolTitle(scope));
    const controls = [
      chooser("audit", "dataset", "Dataset", () => withAll("all datasets", datasetOptions())),
      chooser("audit", "scope", "About", () => withAll("data and protocols", [...new Set(findings.map((row) => row.scope))].map((scope) => [scope, scopeTitle(scope)]))),
      chooser("audit", "severity", "Severity", () => [["grave", "serious and notable"], [ALL, "all"], ...severities.map((word) => [word, word])]),
    ];
    const table = element("div", {});
    body.append(paragraph("What you have to know about each dataset and split before you read a score; found before any training.", "lead"), element("div", { class: "controls" }, controls), table);
    const rank = (row) => severities.indexOf(row.severity);
    const render = (state) => {
      const kept = findings.filter((row) => (state.dataset === ALL || row.dataset === state.dataset) && (state.severity === ALL || (state.severity === "grave" ? row.severity !== "info" : row.severity === state.severity)) && (state.scope === ALL || row.scope === state.scope));
      drawTable(table, {
        caption: "Findings of the audit, the most serious first",
        columns: [
          { key: "check", title: "Check", cell: (row) => row.check.replaceAll("_", " ") },
          { key: "scope", title: "About", cell: (row) => scopeTitle(row.scope) },
          { key: "severity", title: "Severity", cell: (row) => chip(row.severity, SEVERITY[row.severity] ?? "none") },
          { key: "message", title: "Finding and what it means", kind: "text", cell: (row) => [element("span", {}, row.message), " ", element("span", { class: "note" }, row.meaning)] },
        ],
        groups: core.datasets.map((dataset) => ({ title: datasetTitle(dataset.name), rows: kept.filter((row) => row.dataset === dataset.name).sort((a, b) => rank(a) - rank(b)) })),
      });
    };
    return { controls, render };
  },
);

const recordOf = (dataset, protocol, run) => records().find((entry) => entry.dataset === dataset && entry.protocol === protocol && entry.run === run);
const runTitle = (name) => titleOf(core.methods.find((method) => method.run === name && !method.readout)?.id ?? name);
define(
  "training",
  () => ({ dataset: firstDataset, protocol: firstProtocol(firstDataset), run: "", stage: "", scale: "linear", metric: comparedMetrics()[0], sort: "" }),
  (body) => {
    const trained = (state) => records().filter((entry) => entry.dataset === state.dataset && entry.protocol === state.protocol && entry.curves.length);
    const curvesOf = (state) => recordOf(state.dataset, state.protocol, state.run)?.curves ?? [];
    const words = (name) => ({ select: "choosing (with a selection part)", refit: "final fit" })[name] ?? name.replaceAll("_", " ");
    const stages = (state) => [...new Set(curvesOf(state).map((curve) => curve.stage))];
    const controls = [
      ...oneCell("training"),
      chooser("training", "run", "Method", () => trained(stateOf("training")).map((entry) => [entry.run, runTitle(entry.run)])),
      chooser("training", "stage", "Stage", () => stages(stateOf("training")).sort().reverse().map((name) => [name, words(name)])),
      chooser("training", "scale", "Scale", () => [
        ["linear", "linear"],
        ["log", "logarithmic"],
      ]),
      chooser("training", "metric", "Error for cost", () => metricOptions(comparedMetrics())),
    ];
    const [caveats, curves, cost, costTable, grid] = [1, 2, 3, 4, 5].map(() => element("div", {}));
    body.append(element("div", { class: "controls" }, controls), caveats, element("h3", {}, "Training curves"), curves, element("h3", {}, "Cost"), cost, costTable, element("h3", {}, "Grids of settings"), grid);
    const render = (state) => {
      putBadges(caveats, state);
      const mine = curvesOf(state).filter((curve) => curve.stage === state.stage);
      const many = new Set(mine.map((curve) => `${curve.fold}/${curve.seed}`)).size;
      if (mine.length) {
        drawCurves(curves, mine, state.scale === "log", `${runTitle(state.run)}: ${words(state.stage)}, ${cellTitle(state.dataset, state.protocol)}`);
        curves.append(paragraph(`${many === 1 ? "One fit" : `A line for each of ${many} pairs of fold and seed`}${many >= 30 ? ", at most the first 30" : ""}; in long histories only evenly spaced epochs are drawn. Rings: the epoch that the fit chose.`, "note"));
      } else nothing(curves, "No method of this dataset and protocol is trained in epochs, so there are no curves.");
      const rows = tables.cost().filter((row) => row.dataset === state.dataset && row.protocol === state.protocol);
      const scores = new Map(tables.comparison().filter((row) => row.dataset === state.dataset && row.protocol === state.protocol && row.metric === state.metric).map((row) => [row.id, row]));
      const joined = rows.map((row) => ({ ...row, mean: scores.get(row.id)?.mean ?? null, ci_low: scores.get(row.id)?.ci_low ?? null, ci_high: scores.get(row.id)?.ci_high ?? null }));
      if (joined.some((row) => row.mean !== null)) drawCost(cost, joined, state.metric, `What training cost, ${cellTitle(state.dataset, state.protocol)}`);
      else nothing(cost, "No method here has this score.");
      cost.prepend(...[badges(state.dataset, state.protocol)].filter(Boolean));
      drawTable(costTable, {
        caption: "Training jobs, as measured on the machine of this run",
        columns: [
          { key: "method", title: "Method", value: (row) => orderOf.method.get(row.id), cell: (row) => methodName(row.id) },
          { key: "score", title: `${metricOf(state.metric).label} [95 % interval]`, kind: "number", value: (row) => row.mean, cell: (row) => marked(row, withInterval(state.metric, row.mean, row.ci_low, row.ci_high)) },
          { key: "fits", title: "Fits", kind: "number", value: (row) => row.fits, cell: (row) => String(row.fits) },
          { key: "seconds", title: "Time", kind: "number", value: (row) => row.seconds, cell: (row) => duration(row.seconds) },
          { key: "each", title: "Time per fit", kind: "number", value: (row) => row.seconds_per_fit, cell: (row) => duration(row.seconds_per_fit) },
          { key: "memory", title: "Peak memory", kind: "number", value: (row) => row.peak_mb, cell: (row) => (row.peak_mb === null ? NONE : `${Math.round(row.peak_mb)} MB`) },
          { key: "parameters", title: "Parameters", kind: "number", value: (row) => row.parameters, cell: (row) => (row.parameters ?? NONE).toLocaleString("en") },
          { key: "device", title: "Device", value: (row) => row.device, cell: (row) => row.device ?? NONE },
        ],
        groups: [{ rows: joined }],
        sort: state.sort,
        onsort: (sort) => change("training", { sort }),
        nothing: "There is no record of a training job of this dataset and protocol.",
      });
      const points = rowsOf(core.grid).filter((row) => row.dataset === state.dataset && row.protocol === state.protocol);
      drawTable(grid, {
        caption: "Grid points that were tried",
        columns: [
          { key: "method", title: "Method", cell: (row) => methodName(row.id) },
          { key: "fold", title: "Fold", kind: "number", cell: (row) => (row.fold === null ? NONE : String(row.fold + 1)) },
          { key: "seed", title: "Seed", kind: "number", cell: (row) => (row.seed === null ? NONE : String(row.seed + 1)) },
          { key: "point", title: "Settings", kind: "text", cell: (row) => String(row.point) },
          { key: "value", title: "Value", kind: "number", cell: (row) => significant(row.value, 4) },
          { key: "criterion", title: "Criterion", cell: (row) => row.criterion },
          { key: "chosen", title: "Chosen", cell: (row) => (String(row.chosen) === "true" || row.chosen === 1 ? chip("chosen", "best") : "") },
        ],
        groups: [{ rows: points }],
        nothing: core.n_grid ? "No method of this dataset and protocol has a grid." : "No method of this configuration has a grid of settings to choose from.",
      });
    };
    return { controls, render };
  },
);

const definitions = (entries) => element("dl", {}, entries.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
const words = (value) => {
  if (value === null || value === undefined) return NONE;
  if (Array.isArray(value)) return value.length ? value.map(words).join(", ") : "none";
  if (typeof value === "object") return Object.entries(value).map(([key, each]) => `${key}: ${words(each)}`).join("; ");
  return typeof value === "number" ? significant(value, 6) : String(value);
};
const fitCell = (key, value) => {
  if (value === null || value === undefined) return NONE;
  if (key === "fold" || key === "seed_index") return String(value + 1);
  if (key === "seconds") return duration(value);
  return key === "seed" ? String(value) : typeof value === "number" ? significant(value, 4) : words(value);
};
const shortTable = (caption, head, rows) => {
  const table = element("table", {}, element("caption", {}, caption), element("thead", {}, element("tr", {}, head.map((title) => element("th", { scope: "col" }, title)))), element("tbody", {}, rows.map((row) => element("tr", {}, row.map((cell, at) => element(at ? "td" : "th", { scope: at ? null : "row" }, cell))))));
  return [scrolling(caption, table), downloads(caption, { CSV: () => csvOfTable(table) })];
};
define(
  "runs",
  () => ({ dataset: firstDataset, protocol: firstProtocol(firstDataset), run: (core.methods.find((method) => !method.control) ?? core.methods[0]).run }),
  (body) => {
    const controls = [...oneCell("runs"), chooser("runs", "run", "Method", () => records().filter((entry) => entry.dataset === stateOf("runs").dataset && entry.protocol === stateOf("runs").protocol).map((entry) => [entry.run, runTitle(entry.run)]))];
    const cards = element("div", { class: "cards" });
    body.append(element("div", { class: "controls" }, controls), cards);
    const card = (title, ...content) => element("div", { class: "card" }, element("h3", {}, title), content);
    const render = (state) => {
      const entry = recordOf(state.dataset, state.protocol, state.run);
      if (!entry) return nothing(cards, "There is no record of such a run.");
      const { record } = entry;
      const dataset = datasets.get(state.dataset);
      const protocol = protocols.get(state.protocol);
      const readouts = core.methods.filter((method) => method.run === state.run);
      const scores = tables.comparison().filter((row) => row.dataset === state.dataset && row.protocol === state.protocol && readouts.some((method) => method.id === row.id));
      const cost = tables.cost().find((row) => row.dataset === state.dataset && row.protocol === state.protocol && row.id === readouts[0]?.id);
      const metrics = [...new Set(scores.map((row) => row.metric))];
      const cell = (id, metric) => {
        const row = scores.find((each) => each.id === id && each.metric === metric);
        return row ? marked(row, withInterval(metric, row.mean, row.ci_low, row.ci_high)) : NONE;
      };
      const found = new Set(record.fits.flatMap((fit) => Object.keys(fit)));
      const fitKeys = [...new Set(["fold", "seed_index", ...found])].filter((key) => found.has(key) && key !== "parameters");
      cards.replaceChildren(
        card(
          runTitle(state.run),
          badges(state.dataset, state.protocol),
          readouts[0]?.note ? paragraph(readouts[0].note) : null,
          definitions([
            ["Embedding space", readouts[0]?.encoder === "none" ? "none" : encoderTitle(readouts[0]?.encoder)],
            ["Module", record.module],
            ["Protocol", `${protocolTitle(state.protocol)}. ${protocol.note}`],
            ["Fits", `${record.n_fits}`],
            ["Time", duration(record.seconds)],
            ["Peak memory", cost?.peak_mb ? `${Math.round(cost.peak_mb)} MB` : NONE],
            ["Parameters", cost?.parameters ? cost.parameters.toLocaleString("en") : NONE],
            ["Started", record.started],
            ...(record.pool ? [["Learned also from", record.pool.map(datasetTitle).join(", ")]] : []),
          ]),
        ),
        card("Settings", Object.keys(record.settings ?? {}).length ? definitions(Object.entries(record.settings).map(([key, value]) => [key, words(value)])) : paragraph("This method has no settings.", "nothing")),
        card("Scores", shortTable("All metrics, mean [95 % interval]", ["Metric", ...readouts.map((method) => (method.readout || "reconstruction"))], metrics.map((metric) => [metricOf(metric).label, ...readouts.map((method) => cell(method.id, metric))]))),
        card("Fits", shortTable(`What each fit chose${record.n_fits > record.fits.length ? `; the first ${record.fits.length} of ${record.n_fits}` : ""}`, fitKeys.map((key) => ({ seed: "derived seed", seed_index: "seed" })[key] ?? key.replaceAll("_", " ")), record.fits.map((fit) => fitKeys.map((key) => fitCell(key, fit[key]))))),
        card(
          "Provenance",
          definitions([
            ["Code", record.code],
            ["Base seed", words(record.base_seed)],
            ["Data, sha256", record.dataset_sha256 || "none (simulated)"],
            ...Object.entries(record.files).map(([name, sum]) => [`${name.startsWith("runs") ? "Predictions" : "Scores"}, sha256`, sum]),
            ["Versions", words(record.versions)],
            ["Machine", words(record.machine)],
          ]),
          paragraph("The same checksums are in results/manifest.json, with the configuration, the commit and all versions; cortexclip verify compares them with the files.", "note"),
        ),
        card("Data", paragraph(datasetTitle(state.dataset)), definitions([["Modality", dataset.modality], ["Size", `${dataset.samples} samples, ${dataset.voxels} voxels, ${dataset.stimuli} distinct stimuli`], ["Images", dataset.images], ["Source", dataset.source], ["Licence", dataset.licence], ["Citation", dataset.citation]]), list([...dataset.notes, ...(core.caveats[state.dataset]?.[state.protocol] ?? [])])),
      );
    };
    return { controls, render };
  },
);

// Start: show what the address asks for, and follow it.
let current = null;
const show = (name, focus) => {
  current = name;
  for (const section of document.querySelectorAll(".view")) section.hidden = section.id !== `view-${name}`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  views[name].show();
  if (focus) {
    scrollTo(0, 0);
    document.getElementById("main").focus({ preventScroll: true });
  }
};
const lost = document.getElementById("lost");
const follow = (focus) => {
  const { name, given, state } = fromLink(location.hash);
  if (state && location.hash.includes("?")) states[name] = { ...state };
  show(state ? name : "overview", focus);
  // What the address requests and this page does not have is named.
  const wrong = Object.keys(given).filter((key) => !state || !Object.hasOwn(state, key) || String(stateOf(name)[key]) !== given[key]);
  lost.textContent = !state && name ? `This page has no view called "${name}". Below is the overview; the other views are linked above.` : wrong.length ? `Not in this page: ${wrong.map((key) => `${key} "${given[key]}"`).join(", ")}. The rest is shown.` : "";
  lost.hidden = !lost.textContent;
};
addEventListener("hashchange", () => follow(true));
for (const link of document.querySelectorAll("nav a")) {
  link.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", linkOf(link.dataset.view));
    lost.hidden = true;
    show(link.dataset.view, true);
  });
}
addEventListener("popstate", () => follow(false));

const THEMES = [
  ["", "as the system"],
  ["light", "light"],
  ["dark", "dark"],
];
const themeButton = document.getElementById("theme");
let theme = 0;
themeButton.addEventListener("click", () => {
  theme = (theme + 1) % THEMES.length;
  if (THEMES[theme][0]) document.documentElement.dataset.theme = THEMES[theme][0];
  else delete document.documentElement.dataset.theme;
  themeButton.textContent = `Theme: ${THEMES[theme][1]}`;
  views[current].refresh();
});
const copyButton = document.getElementById("copy-link");
copyButton.addEventListener("click", async () => {
  history.replaceState(null, "", linkOf(current));
  try {
    await navigator.clipboard.writeText(location.href);
    announce("Link copied.");
    copyButton.textContent = "Link copied";
  } catch {
    announce("The link is in the address bar.");
    copyButton.textContent = "Link is in the address bar";
  }
  setTimeout(() => (copyButton.textContent = "Copy link to this view"), 2500);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => views[current].refresh());
let resizing;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => views[current].refresh(), 150);
});
// Print shows every view.
addEventListener("beforeprint", () => {
  printing = true;
  for (const section of document.querySelectorAll(".view")) section.hidden = false;
  for (const name of Object.keys(views)) views[name].show();
});
addEventListener("afterprint", () => {
  printing = false;
  show(current);
});
follow(false);
(window.requestIdleCallback ?? setTimeout)(prepareGallery);
document.documentElement.dataset.ready = "true";
performance.mark("ready");
