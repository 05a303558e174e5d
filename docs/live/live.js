// The live page: the model in ONNX Runtime, and what the library's fill_mask and easy_first do with its answers.
// One module, no framework. A typed text reaches the page by textContent only.

import strip from "./strip.js";

const TOP = 5, BEAM = 5, NARROW = 0.03; // as in perceiver_edu/easy_first.py
const MASK = 3, CLS = 4, SEP = 5, OFFSET = 6, OPEN = 256;
const SPECIAL = ["[PAD]", "[BOS]", "[EOS]", "[MASK]", "[CLS]", "[SEP]"];
const MOST_SEARCHED = 24; // bytes of a hole that is filled easy-first: a run of the model for each
const $ = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
}

class InputError extends Error {} // what the user can mend: one sentence on the page
// ---- Text and ids, as perceiver_edu/tokenizer.py and filling.py --------------------------------------------

const utf8 = (text) => [...new TextEncoder().encode(text)];
function encode(text) {
    return text.split(/(\[(?:PAD|BOS|EOS|MASK|CLS|SEP)\])/).flatMap((piece) =>
        SPECIAL.includes(piece) ? [SPECIAL.indexOf(piece)] : utf8(piece).map((byte) => byte + OFFSET));
}

// The letters of a text and a hole in them -> ids with [MASK] in the hole, and the hole's positions.
function idsWithHole(letters, [start, stop], longest) {
    const text = letters.join("");
    if (!text) throw new InputError("The text is empty: type a sentence, and hide a part of it.");
    if (/[\ud800-\udfff]/u.test(text)) {
        throw new InputError("The text contains half of a character, which has no UTF-8 form: remove that half, or type the whole character.");
    }
    const length = encode(text).length;
    if (length > longest - 2) {
        throw new InputError(`The text has ${length} bytes, and this model reads at most ${longest - 2}: shorten it.`);
    }
    if (start >= stop) throw new InputError("Nothing is hidden: select some letters of the text below the box.");
    for (const found of text.matchAll(/\[MASK\]/g)) {
        const from = [...text.slice(0, found.index)].length;
        if ([start, stop].some((border) => from < border && border < from + 6)) {
            throw new InputError("The selection ends inside a [MASK]: select all of the [MASK] or nothing of it.");
        }
    }
    const [before, hidden, after] = [[0, start], [start, stop], [stop]].map((part) => letters.slice(...part).join(""));
    const first = 1 + encode(before).length, size = utf8(hidden.replaceAll("[MASK]", "?")).length;
    const ids = [CLS, ...encode(before), ...Array(size).fill(MASK), ...encode(after), SEP];
    if (ids.length > longest) throw new InputError(`The hole has ${size} bytes, too many for this text: hide less.`);
    return { ids, hole: Array.from({ length: size }, (_, i) => first + i) };
}

// ---- Valid UTF-8, as perceiver_edu/utf8_search.py ------------------------------------------------------------

const UTF8 = [ // state, lowest and highest byte, next state; state 0 is between two characters
    [0, 0x00, 0x7F, 0], [0, 0xC2, 0xDF, 1], [0, 0xE0, 0xE0, 4], [0, 0xE1, 0xEC, 2], [0, 0xED, 0xED, 5], [0, 0xEE, 0xEF, 2],
    [0, 0xF0, 0xF0, 6], [0, 0xF1, 0xF3, 3], [0, 0xF4, 0xF4, 7], [4, 0xA0, 0xBF, 1], [5, 0x80, 0x9F, 1], [6, 0x90, 0xBF, 2],
    [7, 0x80, 0x8F, 2], [3, 0x80, 0xBF, 2], [2, 0x80, 0xBF, 1], [1, 0x80, 0xBF, 0],
];
const NEXT = Array.from({ length: 8 }, () => new Int8Array(256).fill(-1)); // NEXT[state][byte]
for (const [state, low, high, to] of UTF8) NEXT[state].fill(to, low, high + 1);

const text = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(bytes));
const best = (found, number) => found.sort((a, b) => b.score - a.score).slice(0, number); // the sort is stable

// Log-probabilities, an array of 256 for each byte -> the most probable strings of independent bytes.
export function bestByteStrings(rows, number) {
    let ending = { 0: [{ score: 0, bytes: [] }] }; // the best strings that end in each state
    for (const row of rows) {
        const arriving = {};
        for (const [state, low, high, to] of UTF8) {
            if (!ending[state]) continue;
            const bytes = Array.from({ length: high - low + 1 }, (_, i) => low + i);
            const ranked = bytes.sort((a, b) => row[b] - row[a]).slice(0, number);
            ending[state].forEach((string, i) => {
                for (const byte of ranked.slice(0, Math.floor(number / (i + 1)))) { // the others cannot be among the best
                    (arriving[to] ??= []).push({ score: string.score + row[byte], bytes: [...string.bytes, byte] });
                }
            });
        }
        ending = Object.fromEntries(Object.entries(arriving).map(([state, found]) => [state, best(found, number)]));
    }
    return ending[0] ?? [];
}

// Which bytes each open place of a partly filled string may get, so that it can become whole UTF-8.
function allowedBytes(string) {
    const states = (set) => [...Array(8).keys()].filter((state) => set & (1 << state));
    const choices = string.map((byte) => (byte === OPEN ? [...Array(256).keys()] : [byte]));
    const left = [1], right = Array(string.length).fill(0).concat(1); // sets of states, as bits
    choices.forEach((bytes, i) => {
        left[i + 1] = 0;
        for (const state of states(left[i])) for (const byte of bytes) if (NEXT[state][byte] >= 0) left[i + 1] |= 1 << NEXT[state][byte];
    });
    const leads = (state, byte, i) => NEXT[state][byte] >= 0 && right[i + 1] & (1 << NEXT[state][byte]);
    for (let i = string.length - 1; i >= 0; i--) {
        for (let state = 0; state < 8; state++) if (choices[i].some((byte) => leads(state, byte, i))) right[i] |= 1 << state;
    }
    return choices.map((bytes, i) => string[i] === OPEN && bytes.map((byte) => states(left[i]).some((state) => leads(state, byte, i))));
}

// As perceiver_edu/easy_first.py. `logProbs(rows of ids)` -> for each row, for each byte of the hole, 256 numbers.
export async function easyFirst(ids, hole, number, logProbs, step) {
    let beam = [{ string: Array(hole.length).fill(OPEN), score: 0 }];
    for (let run = 0; run < hole.length; run++) {
        if (!step(run)) return null;
        const found = await logProbs(beam.map(({ string }) => fill(ids, hole, string))), candidates = [];
        beam.forEach(({ string, score }, w) => {
            let highest = -Infinity, place = 0;
            const allowed = allowedBytes(string);
            allowed.forEach((bytes, i) => bytes && bytes.forEach((fits, byte) => {
                if (fits && found[w][i][byte] > highest) [highest, place] = [found[w][i][byte], i];
            }));
            allowed[place].forEach((fits, byte) => {
                if (fits) candidates.push({ score: score + found[w][place][byte], string, place, byte });
            });
        });
        const kept = best(candidates, Math.max(BEAM, number));
        const lowest = run === hole.length - 1 ? -Infinity : kept[0]?.score + Math.log(NARROW);
        beam = kept.filter(({ score }) => score > lowest)
            .map(({ score, string, place, byte }) => ({ score, string: string.map((old, i) => (i === place ? byte : old)) }));
        if (!beam.length) return [];
    }
    return beam.slice(0, number).map(({ string, score }) => ({ bytes: string, score }));
}

function fill(ids, hole, string) {
    const row = [...ids];
    hole.forEach((position, i) => { row[position] = string[i] === OPEN ? MASK : string[i] + OFFSET; });
    return row;
}

// logits, a tensor (B, O, V) -> for each text, for each position, the log-probabilities of the 256 bytes.
export function byteLogProbs({ data, dims: [B, O, V] }) {
    return Array.from({ length: B }, (_, b) => Array.from({ length: O }, (_, o) => {
        const row = Float64Array.from(data.subarray((b * O + o) * V, (b * O + o + 1) * V));
        const top = row.reduce((a, c) => Math.max(a, c)), total = top + Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0));
        return row.map((x) => x - total).slice(OFFSET, OFFSET + 256);
    }));
}

// ---- Loading ---------------------------------------------------------------------------------------------------

const say = (sentence) => { $("status").textContent = sentence; };
let about, ort, session;
// Files with known sizes, with one progress bar, from this site's cache where they were kept before.
async function fetchAll(files) {
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const cache = await globalThis.caches?.open("perceiver-live").catch(() => undefined); // not in every private window
    let loaded = 0;
    const read = async ({ file, bytes }) => {
        const kept = await cache?.match(file), response = kept ?? await fetch(file);
        if (!response.ok) throw new InputError(`${file} could not be loaded (${response.status}): reload the page, or build the book again.`);
        const content = new Uint8Array(bytes), reader = response.body.getReader();
        let at = 0;
        for (let part; !(part = await reader.read()).done; at += part.value.length) {
            if (at + part.value.length > bytes) throw new InputError(`${file} is not the file that was built: reload the page.`);
            content.set(part.value, at);
            $("progress").value = (loaded += part.value.length) / total;
            say(`Loading the model: ${(loaded / 1e6).toFixed(0)} of ${(total / 1e6).toFixed(0)} MB`);
        }
        if (at !== bytes) throw new InputError(`${file} arrived incomplete: reload the page.`);
        if (!kept) await cache?.put(file, new Response(content)).catch(() => undefined); // a full disk is no reason to stop
        return content;
    };
    const contents = await Promise.all(files.map(read));
    const names = files.map(({ file }) => new URL(file, location).href);
    for (const request of await cache?.keys() ?? []) if (!names.includes(request.url)) await cache.delete(request);
    return contents;
}

// The weights are bfloat16, the upper half of a float32: first all exponents, then signs with mantissas, in gzip.
async function expand(packed) {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const halves = new Uint8Array(await new Response(stream).arrayBuffer()), number = halves.length / 2;
    const weights = new Uint32Array(number);
    for (let i = 0; i < number; i++) {
        const rest = halves[number + i];
        weights[i] = ((rest & 0x80) << 24) | (halves[i] << 23) | ((rest & 0x7F) << 16);
    }
    return new Uint8Array(weights.buffer);
}

async function load() {
    about = await (await fetch("about.json", { cache: "no-cache" })).json();
    if (about.missing) throw new InputError(about.missing);
    ort = await import("./ort/ort.wasm.min.mjs");
    const [wasm, graph, packed] = await fetchAll([about.wasm, about.graph, about.weights]);
    say("Starting the model …");
    Object.assign(ort.env.wasm, { wasmBinary: wasm.buffer, wasmPaths: new URL("ort/", import.meta.url).href });
    ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
    ort.env.logLevel = "error";
    const externalData = [{ path: "weights", data: await expand(packed) }];
    session = await ort.InferenceSession.create(graph, { externalData, executionProviders: ["wasm"] });
    $("threads").textContent = `Your browser computes with ${ort.env.wasm.numThreads > 1 ? `${ort.env.wasm.numThreads} threads` : "1 thread"}.`;
}

function runModel(rows, hole, outputs) {
    const B = rows.length, M = rows[0].length, whole = (numbers) => BigInt64Array.from(numbers, BigInt);
    return session.run({
        input_ids: new ort.Tensor("int64", whole(rows.flat()), [B, M]),
        mask: new ort.Tensor("bool", new Uint8Array(B * M).fill(1), [B, M]),
        positions: new ort.Tensor("int64", whole(rows.flatMap(() => hole)), [B, hole.length]),
        layers: new ort.Tensor("int64", whole([state.layers]), [1]),
    }, outputs);
}

// ---- The state, and its answer -----------------------------------------------------------------------------------

const state = { text: "", hole: [0, 0], layers: 0, map: "encoder", head: "mean", columns: "bytes", row: 0 };
let answer = null, version = 0, running = false, searching = Promise.resolve();
globalThis.live = { state, set: setState, get answer() { return answer; } }; // for the console and the tests

function changed() { // the text, its hole or the layers: run the model, and again where more has changed meanwhile
    version++;
    if (!running) void refresh();
}

async function refresh() {
    running = true;
    $("app").ariaBusy = "true";
    for (let done; done !== version;) {
        done = version;
        try {
            const { ids, hole } = idsWithHole([...state.text], state.hole, about.longest), started = performance.now();
            const tensors = await searching.then(() => runModel([ids], hole));
            const rows = byteLogProbs(tensors.logits)[0], fillings = bestByteStrings(rows, TOP);
            answer = { ids, hole, tensors, fillings, letters: [...state.text], span: [...state.hole], milliseconds: performance.now() - started };
            $("problem").textContent = "";
            showAnswer();
        } catch (error) {
            if (!(error instanceof InputError)) console.error(error);
            answer = null;
            $("problem").textContent = error instanceof InputError ? error.message : `The model stopped: ${error.message}`;
        }
        $("answer").classList.toggle("stale", !answer);
        $("answer").inert = !answer;
    }
    running = false;
    $("app").ariaBusy = "false";
}

async function search() { // easy-first; a change of the text or the layers ends it
    if (running || !answer) return;
    const { ids, hole } = answer, mine = version;
    const step = (run) => {
        if (mine === version) $("searching").textContent = `run ${run + 1} of ${hole.length} …`;
        return mine === version;
    };
    const logProbs = (rows) => {
        const run = runModel(rows, hole, ["logits"]);
        searching = run.then(() => undefined);
        return run.then(({ logits }) => byteLogProbs(logits));
    };
    $("search").disabled = true;
    const found = await easyFirst(ids, hole, TOP, logProbs, step);
    if (!found) return;
    answer.easy = found;
    $("searching").textContent = found.length ? `done: ${hole.length} runs of the model` : "The search found no filling that is valid UTF-8.";
    fillTable($("easy"), found);
}

// ---- Showing it ----------------------------------------------------------------------------------------------------

const percent = (x) => `${(100 * x).toPrecision(x < 0.0995 ? 2 : 3)} %`;
const visible = (text) => JSON.stringify(text).replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

function fillTable(table, found) {
    const rows = found.map(({ bytes, score }) => {
        const number = make("td", { className: "number", textContent: score < Math.log(1e-3) ? Math.exp(score).toExponential(1) : Math.exp(score).toPrecision(3) });
        number.style.setProperty("--part", Math.exp(score));
        return make("tr", {}, make("td", { className: "filling", textContent: visible(text(bytes)) }), number);
    });
    const names = ["filling", "probability"].map((name) => make("th", { scope: "col", textContent: name }));
    table.replaceChildren(...(rows.length ? [make("tr", {}, ...names), ...rows] : []));
}

function showAnswer() {
    const { fillings, tensors, letters, span, hole } = answer;
    fillTable($("independent"), fillings);
    fillTable($("easy"), []);
    $("searching").textContent = hole.length > MOST_SEARCHED ? `This search takes holes of up to ${MOST_SEARCHED} bytes, and this one has ${hole.length}.` : "";
    $("search").disabled = hole.length > MOST_SEARCHED;
    const filled = make("mark", { textContent: fillings.length ? text(fillings[0].bytes) : "" });
    $("sentence").replaceChildren(letters.slice(0, span[0]).join(""), filled, letters.slice(span[1]).join(""));
    $("bytes").textContent = answer.ids.length;
    const boxes = [["text", "ids", "B, M", [1, answer.ids.length]]];
    for (const { name, array, boundary, symbols } of about.stages) boxes.push([name, array, symbols, tensors[boundary].dims]);
    $("stages").replaceChildren(...boxes.map(([name, array, symbols, dims], i) => {
        const layers = name === "processor" ? `, ${state.layers} of ${about.layers} layers` : "";
        const box = make("div", {}, make("b", { textContent: name + layers }), make("span", { textContent: array }),
            make("span", { className: "shape", textContent: dims.join(" × ") }), make("span", { className: "symbols", textContent: `(${symbols})` }));
        if (i) box.style.setProperty("--stage", about.stages[i - 1].colour);
        return make("li", {}, box);
    }));
    showAttention();
}

// A map (1, heads, Q, K) and a head or "mean" -> rows of numbers.
function rowsOf({ data, dims: [, heads, Q, K] }, head) {
    const chosen = head === "mean" ? [...Array(heads).keys()] : [Number(head)];
    return Array.from({ length: Q }, (_, q) => Float64Array.from({ length: K }, (_, k) =>
        chosen.reduce((sum, h) => sum + data[(h * Q + q) * K + k], 0) / chosen.length));
}

// Rows over latents -> rows over bytes: each latent stands for the bytes that it attended to in the encoder.
const throughEncoder = (rows, encoder) => rows.map((row) => encoder[0].map((_, m) => row.reduce((sum, w, n) => sum + w * encoder[n][m], 0)));

// A sign for each id: a character at its first byte, ◂ for its further bytes.
function signs(ids, hole) {
    const found = ids.map((id) => (id < OFFSET ? ["□", "⟨", "⟩", "▒", "⟨", "⟩"][id] : "◂"));
    const decoder = new TextDecoder();
    ids.forEach((id, i) => {
        const byte = id - OFFSET, size = byte < 0x80 ? 1 : byte < 0xC0 ? 0 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
        if (id < OFFSET || !size) return;
        const letter = decoder.decode(new Uint8Array(ids.slice(i, i + size).map((id) => id - OFFSET)));
        found[i] = { " ": "␣", "\n": "⏎" }[letter] ?? (/^[\p{L}\p{N}\p{P}\p{S}]/u.test(letter) ? letter : "▪");
    });
    return found.map((sign, i) => ({ sign, hidden: hole.includes(i) }));
}

// The maps that exist now: a layer that the decoder does not read has none.
const maps = () => ["encoder", ...Array.from({ length: state.layers }, (_, i) => `layer_${i + 1}`), "decoder"];

function showAttention() {
    if (!answer) return;
    if (!maps().includes(state.map)) state.map = "encoder";
    const option = (name) => make("option", { value: name, textContent: name.replace("_", " "), selected: name === state.map });
    $("map").replaceChildren(...maps().map(option));
    const { tensors, ids, hole } = answer, ofEncoder = state.map === "encoder", ofDecoder = state.map === "decoder";
    const raw = rowsOf(tensors[`${state.map}_attention`], state.head), encoder = rowsOf(tensors.encoder_attention, "mean");
    const bytes = ofEncoder ? raw : throughEncoder(raw, encoder);
    const overBytes = ofEncoder || state.columns === "bytes", rows = overBytes ? bytes : raw;
    const head = state.head === "mean" ? "mean of the heads" : `head ${state.head}`, name = state.map.replace("_", " ");
    state.row = Math.min(state.row, rows.length - 1);
    $("columns-part").hidden = ofEncoder;
    $("row").max = rows.length - 1;
    $("row").value = state.row;
    $("row-value").textContent = state.row;
    const kind = ofDecoder ? "hidden byte" : "latent";
    $("row-name").textContent = kind;
    $("map-says").textContent = `A row for each of the ${rows.length} ${ofDecoder ? "hidden bytes, whose queries attend to the latents" : "latents"}, number 0 at the `
        + `top, and a column for each ${overBytes ? "byte" : "latent"}. `
        + (overBytes && !ofEncoder ? "Latents are replaced by the bytes they attended to in the encoder (mean of its heads). " : "")
        + "The strongest shade is the largest number of the map. Click a row to see it alone.";

    // The picture: a pixel for each number, enlarged by the style sheet.
    const room = $("scroller").clientWidth - 16, cell = Math.max(overBytes ? 14 : 10, Math.min(20, Math.floor(room / rows[0].length)));
    const height = Math.max(5, Math.min(16, Math.round(320 / rows.length)));
    const canvas = $("canvas"), [width, tall] = [rows[0].length, rows.length];
    Object.assign(canvas, { width, height: tall });
    canvas.style.width = `${width * cell}px`;
    canvas.style.height = `${tall * height}px`;
    const highest = Math.max(...rows.map((row) => Math.max(...row))), image = new ImageData(width, tall);
    const colour = (property) => getComputedStyle(document.body)[property].match(/[\d.]+/g).slice(0, 3).map(Number);
    const [paper, ink] = [colour("backgroundColor"), colour("color")];
    rows.forEach((row, y) => row.forEach((weight, x) => {
        const strength = Math.sqrt(weight / highest);
        image.data.set([0, 1, 2].map((c) => paper[c] + strength * (ink[c] - paper[c])).concat(255), 4 * (y * width + x));
    }));
    canvas.getContext("2d").putImageData(image, 0, 0);
    Object.assign($("marker").style, { top: `${state.row * height}px`, height: `${height}px` });

    const labels = overBytes ? signs(ids, hole) : rows[0].reduce((found, _, n) => [...found, { sign: n % 8 ? "" : String(n) }], []);
    $("under").style.setProperty("--cell", `${cell}px`);
    $("under").replaceChildren(...labels.map(({ sign, hidden }) => make("span", { textContent: sign, className: hidden ? "hole" : "" })));

    // One row: the text shaded by it, and its largest weights in words.
    const row = bytes[state.row], top = Math.max(...row);
    $("row-title").textContent = `What ${kind} ${state.row} attends to (${name}, ${head})`;
    const characters = [];
    signs(ids, hole).forEach(({ sign, hidden }, m) => {
        if (sign === "◂" && characters.length) characters.at(-1).weight += row[m];
        else characters.push({ sign: sign === "␣" ? " " : sign === "⏎" ? "⏎\n" : sign, hidden, weight: row[m] });
    });
    const most = Math.max(...characters.map(({ weight }) => weight));
    $("shaded").replaceChildren(...characters.map(({ sign, hidden, weight }) => {
        const span = make("span", { textContent: sign, className: hidden ? "hole" : "", title: percent(weight) });
        span.style.setProperty("--weight", Math.sqrt(weight / most).toFixed(3));
        return span;
    }));
    const largest = (row) => [...row.keys()].sort((a, b) => row[b] - row[a]).slice(0, 4);
    const byteNames = signs(ids, hole), ofBytes = largest(row).map((m) => `byte ${m} “${byteNames[m].sign}” (${percent(row[m])})`).join(", ");
    const latents = ofEncoder ? "" : `Largest weights on latents: ${largest(raw[state.row]).map((n) => `${n} (${percent(raw[state.row][n])})`).join(", ")}. `;
    $("row-says").textContent = `${latents}${ofEncoder ? "Largest weights" : "Through the encoder"}: ${ofBytes}.`;
    canvas.setAttribute("aria-label", `${name}, ${head}: ${tall} rows, ${width} columns, largest weight ${percent(highest)}. Row ${state.row}: ${$("row-says").textContent}`);
}

// ---- Controls --------------------------------------------------------------------------------------------------------

// The hole after an edit of the text, on the letters that it was on; null where they are gone (as in widgets/strip.py).
function holeAfter(old, now, [start, stop]) {
    const alike = (a, b) => { const n = a.findIndex((letter, i) => letter !== b[i]); return n < 0 ? a.length : n; };
    const before = Math.min(alike(old, now), now.length), most = Math.min(old.length, now.length) - before;
    const after = Math.min(alike(old.slice().reverse(), now.slice().reverse()), most), gone = old.length - after, shift = now.length - old.length;
    if (before <= start && stop <= gone) return null;
    const first = start >= gone ? start + shift : Math.min(start, before), last = stop >= gone && stop > before ? stop + shift : Math.min(stop, before);
    return last > first ? [first, last] : null;
}

function middleWord(text) { // with the space before it; or the first run of [MASK]
    const found = text.match(/(?:\[MASK\])+/) ?? [...text.matchAll(/\s?[\p{L}\p{N}_]{2,}/gu)]
        .sort((a, b) => Math.abs(2 * a.index + a[0].length - text.length) - Math.abs(2 * b.index + b[0].length - text.length))[0];
    if (!found) return [0, [...text].length];
    const start = [...text.slice(0, found.index)].length;
    return [start, start + [...found[0]].length];
}

// strip.js takes an anywidget model: values by name, and who wants to know of changes.
const stripModel = {
    values: { text: "", end: 0, hole: [0, 0], place: -1, places: [], can_select: true, can_query: false, selected: "hidden", names: ["text"], line: "",
        label: "Select letters to hide them. By keyboard, the arrow keys move, and with Shift they hide." },
    listeners: {},
    get(name) { return this.values[name]; },
    set(name, value) { this.values[name] = value; },
    on(events, listener) { for (const event of events.split(" ")) (this.listeners[event] ??= []).push(listener); },
    save_changes() { // only the hole is set by the strip
        if (String(this.values.hole) === String(state.hole)) return;
        setState({ hole: [...this.values.hole] });
    },
    show(values) {
        Object.assign(this.values, values);
        for (const name of Object.keys(values)) for (const listener of this.listeners[`change:${name}`] ?? []) listener();
    },
};

function setState(values) {
    Object.assign(state, values);
    const letters = [...state.text];
    if ($("text").value !== state.text) $("text").value = state.text;
    if (stripModel.values.text !== state.text) {
        let end = letters.length;
        for (let bytes = encode(state.text).length; bytes > about.longest - 2 && end; end--) bytes = encode(letters.slice(0, end - 1).join("")).length;
        stripModel.show({ text: state.text, end });
    }
    stripModel.show({ hole: state.hole });
    $("layers").value = state.layers;
    $("layers-value").textContent = state.layers;
    changed();
}

const beginning = () => ({ text: about.text, hole: [...about.hole], layers: about.layers, map: "encoder", head: "mean", columns: "bytes", row: 7 });

function ask(question, values) {
    $("question").textContent = question;
    Object.assign(state, beginning(), values);
    $("head").value = state.head;
    $("columns").value = state.columns;
    setState({});
}

function connect() {
    $("text").addEventListener("input", () => {
        const now = $("text").value, hole = holeAfter([...state.text], [...now], state.hole);
        $("question").textContent = ""; // it was about another text
        setState({ text: now, hole: hole ?? middleWord(now) });
    });
    $("layers").addEventListener("input", () => setState({ layers: Number($("layers").value) }));
    $("preset-letters").addEventListener("click", () => ask(
        "Every letter is the same now, so only positions differ. Does latent 8 still attend to the place in the text that it attends to in the sentence?",
        { text: "a".repeat(44), row: 8 }));
    $("preset-layers").addEventListener("click", () => ask(
        `Only 6 of the ${about.layers} layers run. Move “stop after layer” down to 0 and up again: does every layer make the hidden word more probable?`,
        { layers: 6 }));
    $("reset").addEventListener("click", () => ask("", {}));
    $("search").addEventListener("click", () => void search());
    for (const name of ["map", "head", "columns"]) {
        $(name).addEventListener("change", () => { state[name] = $(name).value; showAttention(); });
    }
    $("row").addEventListener("input", () => { state.row = Number($("row").value); showAttention(); });
    $("canvas").addEventListener("click", ({ offsetY }) => {
        state.row = Math.floor(offsetY / $("canvas").clientHeight * $("canvas").height);
        showAttention();
    });
    addEventListener("resize", showAttention);
    matchMedia("(prefers-color-scheme: dark)").onchange = showAttention;
}

async function start() {
    const theme = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })(); // the book's choice
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    $("loading").className = "busy";
    try {
        await load();
    } catch (error) {
        if (!(error instanceof InputError)) console.error(error);
        $("loading").className = "failed";
        say(error instanceof InputError ? error.message : `The model could not be started: ${error.message}`);
        return;
    }
    $("longest").textContent = about.longest - 2;
    $("layers").max = about.layers;
    $("head").replaceChildren(...["mean", ...Array(about.heads).keys()].map((head) => make("option", { value: String(head), textContent: head === "mean" ? "mean of all" : String(head) })));
    strip.render({ model: stripModel, el: $("strip") });
    connect();
    $("app").hidden = false;
    $("loading").hidden = true;
    ask("", {});
}

void start();
