// Knocks with what a web page has, fetch(), and looks whether the service answers then.
//
// Chromium 150 and Firefox 153, captured in the lab: for each port they open a connection of its own at once (another port
// is another host to them, no limit holds it up), a second one beside it after 250 ms without an answer, and for a name with
// both kinds of address one over IPv4 after 300 ms (Firefox: 250). Each begins with a SYN, which the kernel sends again
// after 1, 2, 3, 4, 5, 7, 11... s, before Linux 6.5 after 1, 3, 7... s. abort() ends that in Firefox, in Chromium it does not.
// Gateways know all that: a step seen again is ignored, each address knocks for itself, and a slot opens once.

const GAP_MS = 300; // between steps: the second SYN of each comes in its turn, too, and may take the place of a lost one
const LET_GO_MS = 2000; // of a step
const WAIT_MS = 3000; // for an answer

export const ANSWERED = "answered";
export const SILENT = "silent";
export const UNCLEAR = "unclear"; // an https page that is closed, or has a certificate that the browser does not know

// A connection to each port, in order. told(step) is called as each goes, from 1.
export async function sendKnock(host, ports, told) {
  for (const [index, port] of ports.entries()) {
    told(index + 1);
    request(`http://${host}:${port}/`, LET_GO_MS).catch(() => {}); // whatever answers concerns nobody
    await sleep(GAP_MS);
  }
}

export async function ask(link) {
  try {
    await request(link, WAIT_MS);
    return ANSWERED;
  } catch (error) {
    return error.name === "AbortError" || link.startsWith("http:") ? SILENT : UNCLEAR; // a page is not told more
  }
}

// A gateway takes the slots before and after its own as well, each once and none older than one that opened. So the next
// one helps when a packet was lost, and each of the two when this device's clock is a little off.
// last: the newest slot that may have opened, 0 for none.
export function slotsToTry(now, last) {
  return [now, now + 1, now - 1].filter((slot) => slot > last);
}

function request(url, limit_ms) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), limit_ms);
  const options = { mode: "no-cors", cache: "no-store", credentials: "omit", signal: controller.signal };
  return fetch(url, options).finally(() => clearTimeout(timer));
}

function sleep(time_ms) {
  return new Promise((resolve) => setTimeout(resolve, time_ms));
}
