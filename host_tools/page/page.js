// What a person sees and does. States of the page (data-state in page.html; page.css shows what belongs to each):
//
//    locked -> unlocking -> ready -> knocking -> opened     it answered, the browser goes there
//       ^---------'                     ^  '---> unclear    knocked; this page cannot see whether it is open
//                                       |  '---> silent     knocked; no answer
//                                       '-----------'
//
// The key is in memory from `ready` on, until the page has been left alone for a while.

import { hexToBytes } from "@noble/hashes/utils.js";
import { ANSWERED, SILENT, UNCLEAR, ask, sendKnock, slotsToTry } from "./knock.js";
import { SLOT_S, otpPorts } from "./otp_ports.js";
import { unseal } from "./sealed_box.js";

const LOCK_MS = 5 * 60 * 1000;

const element = (id) => document.getElementById(id);
let content = null; // what was sealed: host, key (hex), otp, services; null while locked
let locks = 0; // timer
const lastSlots = new Map(); // service index -> newest slot that may have opened

function show(state, text, done = 0) {
  element("page").dataset.state = state;
  element("status").textContent = text;
  element("progress").value = done;
  for (const button of element("services").querySelectorAll("button")) button.disabled = state === "knocking";
  element("unlock").querySelector("button").disabled = state === "unlocking";
}

async function unlock() {
  const passphrase = element("passphrase");
  const box = Uint8Array.from(atob(element("sealed").textContent.trim()), (letter) => letter.charCodeAt(0));
  show("unlocking", "Unlocking");
  const text = await unseal(box, passphrase.value, (share) => (element("progress").value = share));
  if (text === null) {
    show("locked", "That is not the passphrase. Nothing was sent.");
    passphrase.select();
    return;
  }
  passphrase.value = "";
  content = JSON.parse(text);
  element("services").replaceChildren(...content.services.map(entry));
  warmUp(content.host);
  show("ready", `Knocks at ${content.host}.`);
  element("services").querySelector("button").focus();
}

function entry(service) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = `Open ${service.name}`;
  button.addEventListener("click", () => attempt(() => knock(service)));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

// So that the name's address is at hand: else the first steps would wait for it, and leave at once.
function warmUp(host) {
  const hint = document.createElement("link");
  hint.rel = "dns-prefetch";
  hint.href = `//${host}`;
  document.head.append(hint);
}

async function knock(service) {
  if (!navigator.onLine) return show("ready", "This device is offline. Nothing was sent.");
  const seconds = Date.now() / 1000;
  const slots = slotsToTry(Math.floor(seconds / SLOT_S), lastSlots.get(service.index) ?? 0);
  if (!slots.length) {
    const wait_s = Math.ceil(SLOT_S - (seconds % SLOT_S));
    return show("ready", `Each knock works once: ${service.name} again in ${wait_s} s.`);
  }
  let result;
  for (const [tries, slot] of slots.entries()) {
    result = await knockOnce(service, slot, tries ? `Try ${tries + 1}: ` : "");
    if (result !== SILENT) {
      lastSlots.set(service.index, slot);
      break;
    }
  }
  tell(service, result);
}

async function knockOnce(service, slot, which) {
  const ports = otpPorts(hexToBytes(content.key), service.index, slot, content.otp);
  await sendKnock(content.host, ports, (step) =>
    show("knocking", `${which}Step ${step} of ${ports.length}`, step / ports.length),
  );
  if (!service.ask) return UNCLEAR;
  show("knocking", `${which}Waiting for ${service.name} to answer`, 1);
  return ask(service.link);
}

function tell(service, result) {
  element("link").hidden = !service.link;
  element("link").href = element("link").textContent = service.link ?? "";
  const time = new Date().toLocaleTimeString();
  const hint = `This device's clock says ${time}: it must be right to half a minute.`;
  if (result === ANSWERED) {
    show("opened", `${service.name} is open.`, 1);
    location.assign(service.link);
  } else if (result === UNCLEAR) {
    show("unclear", `Knocked: ${service.name} should be open now. If not, knock again. ${hint}`, 1);
  } else {
    show("silent", `Knocked, but ${service.name} does not answer. ${hint}`, 1);
  }
}

function lock() {
  content = null;
  element("services").replaceChildren();
  show("locked", "Locked again.");
}

// What goes wrong against expectation is one line as well.
async function attempt(action) {
  clearTimeout(locks);
  try {
    await action();
  } catch (error) {
    show(content ? "ready" : "locked", `This browser cannot do it: ${error.message}`);
  }
  if (content) locks = setTimeout(lock, LOCK_MS);
}

element("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(unlock);
});
element("shown").addEventListener("change", (event) => {
  element("passphrase").type = event.target.checked ? "text" : "password";
});
