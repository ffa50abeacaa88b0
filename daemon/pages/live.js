// SPDX-License-Identifier: Apache-2.0
// Pages work without this; with it, what changes is replaced while one looks.
"use strict";

document.documentElement.classList.add("scripted");

// What an input stands for: what is entered, else its default.
const meaning = (input) =>
  input.value || (input.tagName === "SELECT" ? input.options[0].dataset.default : input.placeholder) || "";
const conditional = () => {
  for (const field of document.querySelectorAll("[data-shown-field]")) {
    const other = document.getElementById(field.dataset.shownField);
    if (!other) continue;
    const value = meaning(other);
    field.hidden = value !== "" && value !== field.dataset.shownValue;
  }
};
document.addEventListener("input", conditional);
conditional();

// A link into something folded opens it.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  const folded = link && document.getElementById(link.hash.slice(1))?.closest("details");
  if (folded) folded.open = true;
});

// A form that was refused is shown at an address of its own; loading that again would send it again.
const refused = document.querySelector("[data-refused]");
if (refused) {
  history.replaceState(null, "", `/providers#${refused.dataset.refused}`);
  refused.closest("article").scrollIntoView();
}

// Makes old like fresh and leaves alone what is equal: focus, selection, what is typed and opened details stay.
const alike = (one, other) => one.nodeName === other.nodeName && one.id === other.id;
const patch = (old, fresh) => {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  const stays = (name) => name === "open" && old.tagName === "DETAILS";
  for (const name of old.getAttributeNames()) if (!fresh.hasAttribute(name) && !stays(name)) old.removeAttribute(name);
  for (const name of fresh.getAttributeNames()) if (!stays(name)) old.setAttribute(name, fresh.getAttribute(name));
  // What comes or goes before a form must not take the form with it.
  let next = old.firstChild;
  for (const child of fresh.childNodes) {
    let found = next;
    while (found && !alike(found, child)) found = found.nextSibling;
    if (!found) {
      old.insertBefore(document.importNode(child, true), next);
      continue;
    }
    while (next !== found) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
    next = found.nextSibling;
    patch(found, child);
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
};

// Each change is there soon, a row of them once a second, of a long page less often: at most a sixth of the time goes into
// it. Nothing is loaded while nobody looks.
const lines = document.querySelector("[data-lines]");
const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });
const load = async () => {
  const address = lines ? `${location.pathname}?part=head` : location.pathname + location.search;
  const answer = await fetch(address, { headers: { "X-Requested-With": "live" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    if (other) patch(part, other);
  }
};
let wanted = false;
let busy = false;
const refresh = async () => {
  wanted = true;
  if (busy) return;
  busy = true;
  while (wanted && !document.hidden) {
    await pause(150);
    wanted = false;
    const began = performance.now();
    await load().catch(() => {}); // the stream notices as well, and asks again when it is back
    await pause(Math.max(850, 5 * (performance.now() - began)));
  }
  busy = false;
};

// The lines of a job come one by one and are never loaded again. A browser has few connections to one host: pages that
// nobody looks at keep none.
let address = lines ? lines.dataset.lines : "/api/v1/events";
let source;
let failures = 0;
let ended = false;
const seen = (event) => { address = `${address.split("?")[0]}?after=${event.lastEventId}`; };
const takeLine = (event) => {
  seen(event);
  const line = new DOMParser().parseFromString(`<ul>${event.data}</ul>`, "text/html").querySelector("li");
  // A stream that goes on amid what the model says begins its line again.
  if (line.querySelector(".said") && lines.lastElementChild?.querySelector(".said")) return;
  lines.append(document.importNode(line, true));
};
const follow = () => {
  if (document.hidden || ended || (source && source.readyState !== EventSource.CLOSED)) return;
  source = new EventSource(address);
  lines?.querySelector("li.open")?.remove();
  source.addEventListener("line", takeLine);
  source.addEventListener("said", (event) => {
    seen(event);
    lines.lastElementChild.querySelector(".said").append(event.data);
  });
  source.addEventListener("change", refresh);
  source.addEventListener("end", () => {
    ended = true;
    source.close();
    refresh();
  });
  // What changed between the page and this stream, or while the stream was away.
  source.addEventListener("open", () => {
    failures = 0;
    document.getElementById("away").hidden = true;
    if (!lines) refresh();
  });
  source.addEventListener("error", () => {
    failures += 1;
    document.getElementById("away").hidden = failures < 2;
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
  });
};

if (lines || document.querySelector("[data-live]")) {
  follow();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
    } else {
      follow();
      if (wanted) refresh();
    }
  });
  // Ages grow while nothing happens.
  if (!lines) setInterval(refresh, 30000);
}
