// The definition of a term, shown beside its link: by mouse and by keyboard, gone with Escape.
document.addEventListener("DOMContentLoaded", () => {
  const box = Object.assign(document.createElement("div"), { id: "book-definition", role: "tooltip", hidden: true });
  document.body.append(box);
  let leaving;

  const hide = () => { box.hidden = true; };
  const show = (link) => {
    clearTimeout(leaving);
    box.textContent = link.dataset.definition;
    box.hidden = false;
    const at = link.getClientRects()[0];
    const left = Math.min(at.left, document.documentElement.clientWidth - box.offsetWidth - 16);
    box.style.left = `${Math.max(left, 8) + scrollX}px`;
    box.style.top = `${at.bottom + 6 + scrollY}px`;
  };
  const leave = () => { leaving = setTimeout(hide, 200); };

  for (const link of document.querySelectorAll("a.term[title]")) {
    link.dataset.definition = link.title;
    link.removeAttribute("title");
    link.setAttribute("aria-describedby", box.id);
    link.addEventListener("mouseenter", () => show(link));
    link.addEventListener("focus", () => show(link));
    link.addEventListener("mouseleave", leave);
    link.addEventListener("blur", leave);
  }
  box.addEventListener("mouseenter", () => clearTimeout(leaving));
  box.addEventListener("mouseleave", leave);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
});
