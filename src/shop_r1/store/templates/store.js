"use strict";
// The departments menu: opens after a short rest of the pointer on the link, or with the down arrow.
// Clicking the link always leads to /departments, so the store works the same without this script.
(() => {
  const link = document.getElementById("departments-link");
  const menu = document.getElementById("departments-menu");
  if (!link || !menu) return;
  let timer = 0;
  const show = (open) => { clearTimeout(timer); menu.hidden = !open; };
  link.addEventListener("pointerenter", () => { timer = setTimeout(show, 400, true); });
  link.addEventListener("pointerleave", () => clearTimeout(timer));
  menu.parentElement.addEventListener("pointerleave", () => show(false));
  link.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    show(true);
    menu.querySelector("a").focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || menu.hidden) return;
    show(false);
    link.focus();
  });
})();
