// The text of an experiment, or the pixels of its picture, as its control, and names for what is beside it.
// Plain JavaScript: strip.py hands this file to anywidget as it is. Text reaches the page by textContent only.

const AFTER = 60; // letters that are shown behind the end of reading

function render({ model, el }) {
    const say = (word) => model.get("words")[word] ?? word;
    const strip = document.createElement("div"), columns = model.get("columns"); // 0: letters of a text
    let cells = [], active = 0, anchor = null, dragged = false;

    // Laying out: a span for each letter, so that the browser shapes and wraps the text as any other.
    function layOut() {
        const letters = [...model.get("text")], end = model.get("end"), shown = letters.slice(0, end + AFTER);
        cells = shown.map((letter, i) => {
            const cell = document.createElement("span");
            cell.textContent = letter === "\n" ? "⏎\n" : letter;
            cell.id = `${model.model_id ?? "strip"}-${i}`;
            cell.setAttribute("role", "option");
            return cell;
        });
        cells[end]?.classList.add("perceiver-end");
        if (shown.length < letters.length) cells.at(-1).classList.add("perceiver-more");
        strip.replaceChildren(...cells);
        active = Math.min(active, Math.max(0, cells.length - 1));
        mark();
    }

    const within = (i) => { // does the queried byte belong to letter i?
        const places = model.get("places"), position = model.get("position");
        return model.get("can_query") && places[i] <= position && position < places[i + 1];
    };

    function mark() {
        if (columns) active = model.get("position");
        const [start, stop] = model.get("hole"), end = model.get("end"), word = model.get("selected");
        cells.forEach((cell, i) => {
            const selected = model.get("can_select") && start <= i && i < stop, queried = within(i);
            const sign = { " ": say("space"), "\n": say("new line") }[cell.textContent[0]] ?? cell.textContent;
            const said = [model.get("spoken")[i] ?? sign, selected && word, queried && say("queried"), i >= end && say("not read")];
            cell.classList.toggle("perceiver-selected", selected);
            cell.classList.toggle("perceiver-queried", queried);
            cell.classList.toggle("perceiver-unread", i >= end);
            cell.classList.toggle("perceiver-active", i === active);
            cell.setAttribute("aria-selected", model.get("can_select") ? selected : queried);
            cell.setAttribute("aria-label", said.filter(Boolean).join(", "));
        });
        if (cells.length) strip.setAttribute("aria-activedescendant", cells[active].id);
        else strip.removeAttribute("aria-activedescendant");
    }

    const set = (name, value) => { model.set(name, value); model.save_changes(); };

    function select(from, to) {
        if (model.get("can_select")) set("hole", [Math.min(from, to), Math.max(from, to) + 1]);
    }

    function choose(i) { // a letter of several bytes: again for its next byte
        const [start, stop] = model.get("hole"), again = start === i && stop === i + 1;
        if (!model.get("can_query")) return again ? selectWord(i) : select(i, i); // so two taps need not be fast
        const places = model.get("places"), next = model.get("position") + 1;
        set("position", within(i) && next < places[i + 1] ? next : places[i]);
    }

    function selectWord(i) { // with the space before it, and without a comma behind it
        const is = (form, at) => form.test(cells[at]?.textContent ?? ""), space = (at) => is(/\s/, at);
        const word = (at) => is(/[\p{L}\p{M}\p{N}_'’[\]-]/u, at);
        let from = i, to = i;
        while (word(from) && word(from - 1)) from--;
        if (word(from) && space(from - 1)) from--;
        while (word(to + 1) && (word(to) || space(to))) to++;
        select(from, to);
    }

    // By mouse or finger: drag over letters to select them, click one to choose it.
    const letterAt = (event) => cells.indexOf(document.elementFromPoint(event.clientX, event.clientY));
    strip.addEventListener("pointerdown", (event) => {
        const i = letterAt(event);
        if (i < 0 || event.button) return;
        [anchor, active, dragged] = [i, i, false];
        strip.setPointerCapture(event.pointerId);
    });
    strip.addEventListener("pointermove", (event) => {
        const i = letterAt(event);
        if (!event.buttons || anchor === null || i < 0 || (i === active && (dragged || i === anchor))) return;
        [active, dragged] = [i, true];
        columns ? choose(i) : select(anchor, i);
    });
    strip.addEventListener("pointerup", () => {
        if (anchor !== null && !dragged) choose(anchor);
        anchor = null;
        mark();
    });
    strip.addEventListener("pointercancel", () => { anchor = null; });
    strip.addEventListener("dblclick", (event) => model.get("can_query") && letterAt(event) >= 0 && selectWord(letterAt(event)));

    // By keyboard: arrows move, Shift and arrows select, Enter chooses.
    strip.addEventListener("keydown", (event) => {
        const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -active, End: cells.length - 1 - active };
        if (columns) Object.assign(steps, { ArrowUp: -columns, ArrowDown: columns });
        if (event.ctrlKey || event.altKey || event.metaKey || !cells.length) return;
        if (event.key in steps) {
            anchor = event.shiftKey ? anchor ?? active : null;
            if (cells[active + steps[event.key]]) active += steps[event.key];
            if (columns) choose(active);
            else if (event.shiftKey) select(anchor, active);
        } else if (event.key === "Enter" || event.key === " ") choose(active);
        else return;
        event.preventDefault();
        event.stopPropagation();
        cells[active].scrollIntoView({ block: "nearest" });
        mark();
    });

    if (model.get("label")) {
        strip.className = columns ? "perceiver-strip perceiver-pixels" : "perceiver-strip";
        model.get("names").forEach((name) => strip.classList.add(`perceiver-control-${name}`));
        strip.tabIndex = 0;
        strip.setAttribute("role", "listbox");
        strip.setAttribute("aria-multiselectable", model.get("can_select"));
        strip.setAttribute("aria-label", model.get("label"));
        strip.dataset.lmSuppressShortcuts = "true"; // the arrow keys are ours, not JupyterLab's
        const how = document.createElement("p");
        how.className = "perceiver-how";
        how.textContent = model.get("label");
        el.append(how, strip);
        model.on("change:text change:end change:places", layOut);
        model.on("change:hole change:position", mark);
        layOut();
    }

    // The state as a line of code, for experiments that have one.
    const [line, copy, code] = ["div", "button", "code"].map((tag) => document.createElement(tag));
    Object.assign(copy, { className: "jupyter-button widget-button", textContent: say("copy this state as code") });
    copy.addEventListener("click", async () => {
        await navigator.clipboard.writeText(code.textContent);
        copy.textContent = say("copied");
        setTimeout(() => { copy.textContent = say("copy this state as code"); }, 1500);
    });
    line.className = "perceiver-line";
    line.append(copy, code);
    const showLine = () => { code.textContent = model.get("line"); line.hidden = !code.textContent; };
    model.on("change:line", showLine);
    showLine();
    el.append(line);

    function cover() { // the pixels lie over those of the picture
        const picture = columns && el.closest(".perceiver-widget").querySelector("img")?.getBoundingClientRect();
        if (!picture) return;
        const [x, y, width, height] = model.get("over"), from = el.getBoundingClientRect();
        const left = picture.left - from.left + x * picture.width, top = picture.top - from.top + y * picture.height;
        strip.style.cssText = `grid-template-columns: repeat(${columns}, 1fr); left: ${left}px; top: ${top}px;
            width: ${width * picture.width}px; height: ${height * picture.height}px`;
    }

    return nameControls(el, say, cover);
}

// What ipywidgets leaves out: a name for each handle and number, and which button is pressed.
function nameControls(el, say, cover) {
    const set = (node, name, value) => node.getAttribute(name) !== value && node.setAttribute(name, value);
    function name(root) {
        cover();
        for (const control of root.querySelectorAll("[class*=perceiver-control-]")) {
            const label = control.querySelector(".widget-label")?.textContent ?? "";
            const readout = control.querySelector(".widget-readout");
            const handles = control.querySelectorAll(".noUi-handle");
            handles.forEach((handle, i) => {
                const end = say(i ? "{label}, end" : "{label}, begin").replace("{label}", () => label);
                set(handle, "aria-label", handles.length > 1 ? end : label);
                set(handle, "aria-valuetext", readout?.textContent || label);
            });
            if (readout?.isContentEditable) {
                set(readout, "role", "textbox");
                set(readout, "aria-label", say("{label}, as a number").replace("{label}", () => label));
            }
            const buttons = control.querySelectorAll(".widget-toggle-button");
            if (buttons.length) {
                set(control, "role", "group");
                set(control, "aria-label", label);
            }
            buttons.forEach((b) => set(b, "aria-pressed", String(b.classList.contains("mod-active"))));
        }
    }
    const resized = new ResizeObserver(cover);
    let observer = null, stopped = false;
    function whenOnPage() {
        const root = el.closest(".perceiver-widget");
        if (stopped) return;
        if (!root) return void setTimeout(whenOnPage, 20);
        observer = new MutationObserver(() => name(root));
        const attributeFilter = ["class", "aria-valuetext"];
        observer.observe(root, { subtree: true, childList: true, characterData: true, attributeFilter });
        resized.observe(root);
        name(root);
    }
    whenOnPage();
    return () => { stopped = true; observer?.disconnect(); resized.disconnect(); };
}

export default { render };
