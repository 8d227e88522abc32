/** Asks for the page again and again, and exchanges what is different; keeps focus, open parts and scroll places. */

const every = Number(document.body.dataset.every);
const REGIONS = ['verdict', 'asof'];
let asking = false;

async function refresh() {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const response = await fetch('/', { signal: AbortSignal.timeout(30_000), cache: 'no-store' });
    if (!response.ok) throw new Error(String(response.status));
    exchange(new DOMParser().parseFromString(await response.text(), 'text/html'));
    say('');
  } catch {
    say(
      'The dashboard’s own process does not answer: what you see is no longer updated. Start it again: tidemark dashboard',
    );
  } finally {
    asking = false;
  }
}

function exchange(next) {
  document.title = next.title;
  for (const id of REGIONS) {
    const [old, fresh] = [document.getElementById(id), next.getElementById(id)];
    if (old.className !== fresh.className) old.className = fresh.className;
    if (old.textContent !== fresh.textContent) old.replaceChildren(...fresh.childNodes);
  }
  const main = document.getElementById('main');
  for (const fresh of next.querySelectorAll('.dataset')) {
    const old = document.getElementById(fresh.id);
    if (!old) main.append(fresh);
    else replace(old, fresh);
  }
}

/** What a person opened, scrolled or stands on is by its id the same afterwards. */
function replace(old, fresh) {
  const open = [...old.querySelectorAll('details[open]')].map(({ id }) => id);
  const scrolled = [...old.querySelectorAll('.scroll')].map(({ id, scrollLeft, scrollTop }) => ({
    id,
    scrollLeft,
    scrollTop,
  }));
  for (const id of open) fresh.querySelector(`#${id}`)?.setAttribute('open', '');
  if (old.innerHTML === fresh.innerHTML) return;
  const focused = old.contains(document.activeElement) ? placeOf(document.activeElement) : undefined;
  old.replaceWith(fresh);
  for (const { id, scrollLeft, scrollTop } of scrolled)
    document.getElementById(id)?.scrollTo(scrollLeft, scrollTop);
  if (focused) document.querySelector(focused)?.focus({ preventScroll: true });
}

function placeOf(element) {
  if (element.id) return `#${element.id}`;
  if (element.localName === 'summary') return `#${element.parentElement.id} > summary`;
  // All files of a run lead to the same place in the Temporal UI.
  if (element.ariaLabel) return `a[aria-label="${CSS.escape(element.ariaLabel)}"]`;
  if (element.localName === 'a') return `a[href="${CSS.escape(element.getAttribute('href'))}"]`;
  return undefined;
}

function say(text) {
  const lost = document.getElementById('lost');
  if (lost.textContent !== text) lost.textContent = text;
  lost.hidden = text === '';
}

setInterval(() => void refresh(), every);
document.addEventListener('visibilitychange', () => void refresh());
