"use strict";
// The server renders the page. This fetches it again each second and exchanges what has
// changed, so that focus, selection and scroll positions stay. It never makes markup
// of text: whatever a pool handle holds, it comes escaped from the server, and a parsed
// document does not run scripts.
(() => {
  const every = 1000, patience = 5000;
  const $ = id => document.getElementById(id);
  const live = $("live"), search = $("search"), query = $("q");
  let news = $("latest").dataset.news, timer = 0, current = 0, lastGood = new Date();

  const keyOf = n => n.nodeType === 1 && n.dataset ? n.dataset.key : undefined;
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

  // morph makes a like b.
  function morph(a, b) {
    if (a.isEqualNode(b)) return;
    if (a.nodeType !== 1) { a.data = b.data; return; }
    for (const { name, value } of b.attributes) if (a.getAttribute(name) !== value) a.setAttribute(name, value);
    for (const { name } of [...a.attributes]) if (!b.hasAttribute(name)) a.removeAttribute(name);
    const keyed = new Map();
    for (const c of a.childNodes) if (keyOf(c)) keyed.set(keyOf(c), c);
    let at = a.firstChild;
    for (const next of [...b.childNodes]) {
      const key = keyOf(next);
      let c = key ? keyed.get(key) : at;
      while (!key && c && keyOf(c)) c = c.nextSibling; // those are taken by their keys
      if (c && alike(c, next)) {
        morph(c, next);
        if (c !== at) a.insertBefore(c, at); else at = at.nextSibling;
        keyed.delete(key);
      } else {
        const fresh = document.importNode(next, true);
        if (key && keyed.size) fresh.classList.add("fresh");
        a.insertBefore(fresh, at);
      }
    }
    while (at) { const gone = at; at = at.nextSibling; gone.remove(); }
  }

  function say(text, cls) {
    live.firstElementChild.textContent = text;
    live.className = "live " + cls;
  }

  async function refresh() {
    clearTimeout(timer);
    const mine = ++current; // a newer one makes this one's answer worthless
    try {
      const res = await fetch(location.pathname + location.search, { cache: "no-store", signal: AbortSignal.timeout(patience) });
      if (!res.ok) throw new Error(res.statusText);
      const doc = new DOMParser().parseFromString(await res.text(), "text/html");
      if (mine !== current) return;
      for (const e of document.querySelectorAll("[data-live]")) {
        const next = doc.getElementById(e.id);
        if (next) morph(e, next);
      }
      document.title = doc.title;
      const latest = doc.getElementById("latest");
      if (latest && latest.dataset.news !== news) {
        news = latest.dataset.news;
        $("news").textContent = news; // for screen readers
      }
      lastGood = new Date();
      say("live", "on");
    } catch {
      if (mine !== current) return;
      say(`no answer since ${lastGood.toTimeString().slice(0, 8)}`, "off");
    }
    if (!document.hidden) timer = setTimeout(refresh, every);
  }

  let typing = 0;
  query.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      const to = new URL(location.href);
      to.searchParams.delete("page");
      if (query.value) to.searchParams.set("q", query.value); else to.searchParams.delete("q");
      history.replaceState(null, "", to);
      refresh();
    }, 150);
  });
  search.addEventListener("submit", e => { e.preventDefault(); query.dispatchEvent(new Event("input")); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  search.classList.add("scripted");
  refresh();
})();
