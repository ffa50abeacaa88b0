// SPDX-License-Identifier: Apache-2.0
// Pages work without this; with it, what changes is replaced while one looks.
"use strict";

const conditional = () => {
  for (const field of document.querySelectorAll("[data-shown-field]")) {
    const other = document.getElementById(field.dataset.shownField);
    if (!other) continue;
    const value = other.value || other.placeholder || other.options?.[0]?.dataset.default || "";
    field.hidden = value !== "" && value !== field.dataset.shownValue;
  }
};
document.addEventListener("change", conditional);
conditional();

let pending = false;
const refresh = async () => {
  if (pending) return;
  pending = true;
  await new Promise((resolve) => setTimeout(resolve, 150));
  pending = false;
  const answer = await fetch(location.pathname + location.search, { headers: { "X-Requested-With": "live" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    if (!other || other.innerHTML === part.innerHTML) continue;
    const open = [...part.querySelectorAll("details")].map((details) => details.open);
    part.innerHTML = other.innerHTML;
    part.querySelectorAll("details").forEach((details, index) => { details.open = open[index] ?? details.open; });
  }
};

if (document.querySelector("[data-live]")) {
  const source = new EventSource("/api/v1/events");
  source.addEventListener("change", refresh);
}
