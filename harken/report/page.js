"use strict";

// Sorting: every header of a sortable table becomes a button; `data-key` is what a cell sorts by.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((header, column) => {
    if (!header.textContent) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const falling = header.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => ({ row, key: keyOf(row.cells[column]) }));
      rows.sort((a, b) => compare(a.key, b.key, falling ? -1 : 1));
      body.append(...rows.map(({ row }) => row));
    });
  });
}

function keyOf(cell) {
  const text = (cell.dataset.key ?? cell.textContent).trim();
  const number = Number(text.replaceAll(",", ""));
  return text !== "" && Number.isFinite(number) ? number : text;
}

// Numbers before texts, and what was not measured last whichever way the column is sorted.
function compare(a, b, direction) {
  const missing = (key) => key === "" || key === "n/a";
  if (missing(a) || missing(b)) return Number(missing(a)) - Number(missing(b));
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  if (typeof a === "number") return direction * (a - b);
  return direction * a.localeCompare(b, undefined, { numeric: true });
}

// Filtering: one form for the cards and the table; a page without cards has no choice beside the words.
const form = document.querySelector("form.filter");
if (form) {
  const items = [...document.querySelectorAll(".filtered")];
  const texts = new Map(items.map((item) => [item, item.textContent.toLowerCase()]));
  const apply = () => {
    const words = form.elements.words.value.trim().toLowerCase();
    const choice = form.elements.choice?.value ?? "all";
    for (const item of items) {
      const { change, missed } = item.dataset;
      const chosen = choice === "all" || (choice === "missed" ? missed === "yes" : change === choice);
      item.hidden = !(chosen && texts.get(item).includes(words));
    }
    const count = (selector) => document.querySelectorAll(selector + ".filtered:not([hidden])").length;
    const cards = document.querySelector("article.filtered") ? `${count("article")} with a recording, ` : "";
    form.elements.count.value = `${cards}${count("tr")} in the table`;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
}

// One recording at a time.
document.addEventListener("play", (event) => {
  for (const audio of document.querySelectorAll("audio")) if (audio !== event.target) audio.pause();
}, true);

// Paper cannot be unfolded; the long tables stay off it.
const opened = [];
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open], .long)")) {
    part.open = true;
    opened.push(part);
  }
});
addEventListener("afterprint", () => opened.splice(0).forEach((part) => { part.open = false; }));

// The table of contents shows where the reader is.
const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const visible = new Set();
const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) visible[entry.isIntersecting ? "add" : "delete"](entry.target.id);
  const here = [...links.keys()].find((identity) => visible.has(identity));
  for (const [identity, link] of links) link.classList.toggle("here", identity === here);
}, { rootMargin: "-15% 0px -70% 0px" });
for (const part of document.querySelectorAll("main > section")) observer.observe(part);
