// The phone page: one customer's chat with one business, by the sandbox's control API.
// No framework, no build step. Everything that comes from a message is set as text, never as HTML.
'use strict';

const byId = (id) => document.getElementById(id);
const POLL_MS = 20000;
const RETRY_MS = 1500;
const PEOPLE_MS = 3000;
const RECORD_LINES_MAX = 60;
const SMS_SHOWN_MS = 9000;
const STARTERS = ['Hi', 'Habari', 'Coffee x 2'];

const state = {
  number: '',
  phone: '',
  numbers: [],
  people: [],       // {phone, name}
  chats: [],
  chat: null,
  version: '',
  rendered: '',     // what the log shows, to leave it alone when nothing changed
  prompt: null,     // the STK prompt on screen
  seenEnds: null,   // prompts whose end was already shown
  picked: null,     // while the list sheet is open
  generation: 0,    // a change of chat ends the old poll
};

const PEOPLE_TO_START = [
  { phone: '254712345678', name: 'Asha Mwangi' },
  { phone: '254722000111', name: 'Juma Otieno' },
];

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'class') node.className = value;
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

function icon(path, viewBox = '0 0 24 24') {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', viewBox);
  svg.setAttribute('aria-hidden', 'true');
  const shape = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  shape.setAttribute('d', path);
  svg.append(shape);
  return svg;
}

async function call(path, options = {}) {
  const response = await fetch(path, options);
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || `The sandbox answered ${response.status}.`);
  return body;
}

function trouble(text) {
  byId('trouble').textContent = text;
  byId('trouble').hidden = !text;
}

// -------------------------------------------------------------------------------------------------
// Words

const initials = (name) =>
  name.replace(/[^\p{L}\p{N} ]/gu, '').split(' ').filter(Boolean).slice(0, 2)
    .map((word) => word[0].toUpperCase()).join('') || '?';
const hue = (text) => `hue-${[...text].reduce((sum, c) => sum + c.codePointAt(0), 0) % 6}`;
const withPlus = (phone) => (/^\d+$/.test(phone) ? '+' + phone : phone);
function spaced(phone) {
  const digits = withPlus(phone);
  return /^\+254\d{9}$/.test(digits)
    ? digits.replace(/(\+254)(\d{3})(\d{3})(\d{3})/, '$1 $2 $3 $4') : digits;
}
const date = (us) => new Date(us / 1000);
const clock = (us) => date(us).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
// The same words without the marks that make them bold.
const plain = (text) => text.replace(/(^|\s)[*_~]([^*_~\n]+)[*_~]/g, '$1$2').replace(/\s+/g, ' ');
function day(us) {
  const then = date(us).toDateString();
  const now = new Date();
  if (then === now.toDateString()) return 'Today';
  return date(us).toLocaleDateString('en-GB', { weekday: 'long', day: 'numeric', month: 'long' });
}
const shillings = (amount) => Number(amount).toLocaleString('en-KE') + '.00';

// *bold* _italic_ ~struck~ ```mono``` and links, as WhatsApp shows them.
function formatted(text) {
  const out = document.createDocumentFragment();
  const pattern = /```([^`]+)```|(?<![\w*])\*([^*\n]+)\*(?![\w*])|(?<![\w_])_([^_\n]+)_(?![\w_])|(?<![\w~])~([^~\n]+)~(?![\w~])|(https?:\/\/[^\s]+)/g;
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    out.append(text.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[1]) out.append(element('code', {}, match[1]));
    else if (match[2]) out.append(element('strong', {}, formatted(match[2])));
    else if (match[3]) out.append(element('em', {}, formatted(match[3])));
    else if (match[4]) out.append(element('s', {}, formatted(match[4])));
    else out.append(element('a', { href: match[5], rel: 'noopener noreferrer', target: '_blank' }, match[5]));
  }
  out.append(text.slice(from));
  return out;
}

// -------------------------------------------------------------------------------------------------
// The chat

const TICK_ONE = 'M3 6l3 3 6-7';
const TICK_TWO = 'M1.500 6l3 3 6-7M8 9l6.500-7.500';

// Meta repeats a webhook that failed; Twilio does not.
function triesAgain() {
  const number = state.numbers.find((each) => each.phone_number_id === state.number);
  return number && number.provider === 'Twilio' ? '; Twilio does not try again' : '; Meta goes on trying';
}

function meta(message, mine) {
  const node = element('span', { class: 'meta' }, element('span', {}, clock(message.at_us)));
  if (mine) {
    if (message.http_status === 0) {
      node.append(element('span', { role: 'img', 'aria-label': 'being delivered' }, '…'));
    } else if (message.http_status !== 200) {
      node.append(element('span', {
        class: 'bad', role: 'img', title: `The business's webhook answered ${message.http_status}${triesAgain()}.`,
        'aria-label': `not delivered yet, webhook answered ${message.http_status}`,
      }, '!'));
    } else {
      const read = message.status === 'read';
      const ticks = icon(TICK_TWO, '0 0 16 11');
      if (read) ticks.classList.add('read');
      node.append(ticks, element('span', { class: 'visually-hidden' }, read ? 'read' : 'delivered'));
    }
  } else if (message.status === 'failed') {
    node.append(element('span', { class: 'bad' }, 'not delivered'));
  }
  return node;
}

// What a message shows that is no text; nothing when there is no more than its kind to say.
function shown(message, content) {
  if (message.type === 'image' && content.link) {
    return element('img', { class: 'picture', src: content.link, alt: content.caption || 'Picture' });
  }
  if (message.type === 'document') return element('em', {}, `📄 ${content.filename || 'Document'}`);
  if (message.type === 'location') {
    return element('em', {}, `📍 ${[content.name, content.address].filter(Boolean).join(', ') || `${content.latitude}, ${content.longitude}`}`);
  }
  if (message.type === 'contacts') {
    return element('em', {}, `👤 ${(content.cards || []).map((card) => card.name.formatted_name).join(', ') || 'Contact card'}`);
  }
  const names = { image: '🖼 Picture', audio: '🎤 Audio', video: '🎬 Video', sticker: '🙂 Sticker', order: '🛒 Cart' };
  return element('em', {}, names[message.type] || `[${message.type}]`);
}

function bubble(message, mine, all) {
  const node = element('div', { class: 'bubble' });
  const answered = message.context_id && all.find((other) => other.wamid === message.context_id);
  if (answered) node.append(element('span', { class: 'quote' }, plain(answered.text) || `[${answered.type}]`));
  const content = message.content || {};
  if (message.type === 'interactive' && content.header && content.header.type === 'text') {
    node.append(element('strong', { class: 'header' }, content.header.text));
  }
  const wordy = ['text', 'interactive', 'template'].includes(message.type);
  if (!wordy || !message.text) {
    if (message.type !== 'text') node.append(shown(message, content));
  }
  const said = ['location', 'contacts'].includes(message.type) ? '' : message.text || '';
  if (said && !wordy) node.append(element('br'));
  node.append(formatted(said));
  if (message.type === 'interactive' && content.footer) {
    node.append(element('span', { class: 'footer' }, content.footer.text));
  }
  node.append(meta(message, mine));
  return node;
}

const mineOf = (message) => message.from === 'customer';

// Where a customer of the demo is.
function sendPlace(context) {
  say({
    context_id: context || undefined,
    message: { type: 'location', location: { latitude: -1.286389, longitude: 36.817223, name: 'Kenyatta Avenue', address: 'Nairobi' } },
  });
}

function choices(message, all) {
  const taps = all.filter((other) => other.from === 'customer' && other.context_id === message.wamid);
  const chosen = new Set(taps.map((tap) => tap.chosen_id));
  const box = element('div', { class: 'choices' });
  for (const button of message.buttons || []) {
    box.append(element('button', {
      type: 'button', 'data-choice': `${message.wamid}|${button.id}`,
      class: chosen.has(button.id) ? 'chosen' : '',
      onclick: () => say({ button: button.id, message_wamid: message.wamid }),
    }, icon('M9 7l-5 5 5 5M4 12h10a6 6 0 0 1 6 6'), button.title));
  }
  const action = (message.content && message.content.action) || {};
  if (!mineOf(message) && action.name === 'cta_url') {
    box.append(element('a', { class: 'chosen', href: action.parameters.url, rel: 'noopener noreferrer', target: '_blank' }, action.parameters.display_text));
  }
  if (!mineOf(message) && action.name === 'send_location') {
    box.append(element('button', { type: 'button', 'data-choice': `${message.wamid}|place`, onclick: () => sendPlace(message.wamid) }, 'Send location'));
  }
  if ((message.rows || []).length) {
    const label = message.content.action.button;
    box.append(element('button', {
      type: 'button', 'data-choice': `${message.wamid}|list`, 'aria-haspopup': 'dialog',
      onclick: () => openSheet(message, label),
    }, icon('M9 6h11M9 12h11M9 18h11M4 6h.01M4 12h.01M4 18h.01'), label));
  }
  return box.children.length ? box : null;
}

function renderChat() {
  const chat = state.chat;
  const messages = (chat && chat.messages) || [];
  const picture = JSON.stringify([state.number, state.phone, messages]);
  const business = (chat && chat.business) || {};
  byId('business').textContent = business.name || 'No business yet';
  byId('avatar').textContent = initials(business.name || '?');
  document.title = business.name ? `${business.name} – FlowStack sandbox phone` : 'FlowStack sandbox phone';
  byId('presence').textContent = chat && chat.typing ? 'typing…'
    : business.display_phone_number ? `${spaced(business.display_phone_number)} · business account` : '';
  if (picture === state.rendered) return;
  const first = state.rendered === '';
  state.rendered = picture;

  const scroll = byId('scroll');
  const atEnd = first || scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 120;
  const focused = document.activeElement && document.activeElement.dataset.choice;
  const known = new Set([...byId('log').children].map((node) => node.dataset.seq));

  const nodes = [];
  let lastDay = '';
  let lastFrom = '';
  for (const message of messages) {
    const today = day(message.at_us);
    if (today !== lastDay) {
      nodes.push(element('li', { class: 'day' }, today));
      lastDay = today;
      lastFrom = '';
    }
    const mine = message.from === 'customer';
    if (message.type === 'reaction') {
      nodes.push(element('li', { class: 'note' }, `${mine ? 'You' : 'The business'} reacted ${message.text}`));
      continue;
    }
    const node = element('li', {
      class: `turn ${mine ? 'out' : 'in'} ${message.from !== lastFrom ? 'first' : ''}`,
      'data-seq': String(message.seq),
    }, element('span', { class: 'visually-hidden' }, mine ? 'You: ' : `${business.name || 'Business'}: `),
    bubble(message, mine, messages), mine ? null : choices(message, messages));
    if (!first && !known.has(String(message.seq))) node.classList.add('pop');
    nodes.push(node);
    lastFrom = message.from;
  }
  byId('log').replaceChildren(...nodes);
  if (focused) {
    const again = [...document.querySelectorAll('[data-choice]')].find((node) => node.dataset.choice === focused);
    if (again) again.focus({ preventScroll: true });
  }
  renderEmpty(messages.length === 0);
  if (atEnd) scroll.scrollTop = scroll.scrollHeight;
}

function renderEmpty(isEmpty) {
  const box = byId('empty');
  box.hidden = !isEmpty;
  if (!isEmpty) return;
  if (!state.numbers.length) {
    box.replaceChildren(
      element('h2', {}, 'No business is registered yet'),
      element('p', {}, 'Start the demo, or register a WhatsApp number with the sandbox:'),
      element('code', {}, `curl -X PUT ${location.origin}/control/numbers -d '{"phone_number_id":"1","token":"mock_1","app_secret":"s","webhook_url":"http://…/webhooks/whatsapp","display_phone_number":"254700000001","name":"My shop"}'`));
    return;
  }
  box.replaceChildren(
    element('h2', {}, 'Say hello'),
    element('p', {}, 'The business answers as it would on WhatsApp.'),
    element('div', { class: 'starters' },
      ...STARTERS.map((text) => element('button', { type: 'button', onclick: () => say({ text }) }, text))));
}

async function say(what) {
  if (!state.number || !state.phone) return;
  const person = state.people.find((each) => each.phone === state.phone);
  trouble('');
  try {
    const answer = await call(`/control/customers/${encodeURIComponent(withPlus(state.phone))}/say`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ phone_number_id: state.number, name: person ? person.name : undefined, ...what }),
    });
    if (answer.http_status !== 200) {
      trouble(answer.http_status === 0
        ? `The business’s webhook cannot be reached${triesAgain()}.`
        : `The business’s webhook answered ${answer.http_status}${triesAgain()}.`);
    }
  } catch (error) {
    trouble(error.message);
  }
}

// -------------------------------------------------------------------------------------------------
// The list sheet

function openSheet(message, label) {
  state.picked = { wamid: message.wamid, row: '' };
  byId('sheet-title').textContent = label;
  const groups = [];
  for (const section of message.content.action.sections || []) {
    const group = element('fieldset', {}, element('legend', {}, section.title || 'Choose one'));
    for (const row of section.rows || []) {
      group.append(element('label', {},
        element('span', { class: 't' }, element('b', {}, row.title), row.description ? element('small', {}, row.description) : null),
        element('input', {
          type: 'radio', name: 'row', value: row.id,
          onchange: () => { state.picked.row = row.id; byId('sheet-send').disabled = false; },
        })));
    }
    groups.push(group);
  }
  byId('rows').replaceChildren(...groups);
  byId('sheet-send').disabled = true;
  placeDialogs();
  byId('sheet').returnValue = '';
  byId('sheet').showModal();
  const firstRow = byId('rows').querySelector('input');
  if (firstRow) firstRow.focus();
}

byId('sheet').addEventListener('close', () => {
  const picked = state.picked;
  state.picked = null;
  if (byId('sheet').returnValue === 'send' && picked && picked.row) {
    say({ row: picked.row, message_wamid: picked.wamid });
  }
});
// Enter on a row sends it, without a walk to the button.
byId('rows').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !event.target.checked) return;
  event.preventDefault();
  byId('sheet').close('send');
});
for (const dialog of [byId('sheet')]) {
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(''); });
}

function placeDialogs() {
  const box = byId('phone').getBoundingClientRect();
  const root = document.documentElement.style;
  const framed = window.innerWidth > 720;
  root.setProperty('--phone-width', `${box.width - (framed ? 20 : 0)}px`);
  root.setProperty('--phone-bottom', `${framed ? window.innerHeight - box.bottom + 10 : 0}px`);
  // Dialogs are centred in the window; on a wide one the phone may be off that centre.
  const shift = framed ? (box.left + box.right - document.documentElement.clientWidth) / 2 : 0;
  for (const id of ['sheet', 'stk']) byId(id).style.left = `${2 * shift}px`;
}
window.addEventListener('resize', placeDialogs);

// -------------------------------------------------------------------------------------------------
// The M-Pesa prompt

function renderPrompts() {
  const prompts = (state.chat && state.chat.prompts) || [];
  const open = prompts.find((prompt) => prompt.open);
  const dialog = byId('stk');
  if (open && (!state.prompt || state.prompt.id !== open.id)) {
    state.prompt = open;
    byId('stk-title').textContent = `Pay Ksh ${shillings(open.amount)}`;
    byId('stk-text').textContent = `to ${open.business}, account ${open.account_reference}`;
    byId('pin').value = '';
    placeDialogs();
    if (byId('sheet').open) byId('sheet').close('');
    if (!dialog.open) dialog.showModal();
    byId('pin').focus();
  } else if (!open && state.prompt) {
    state.prompt = null;
    if (dialog.open) dialog.close();
    byId('say').focus({ preventScroll: true });
  }

  const ended = prompts.filter((prompt) => !prompt.open);
  if (state.seenEnds === null) {
    state.seenEnds = new Set(ended.map((prompt) => prompt.id));
    return;
  }
  for (const prompt of ended) {
    if (state.seenEnds.has(prompt.id)) continue;
    state.seenEnds.add(prompt.id);
    showSms(prompt);
  }
}

function showSms(prompt) {
  const amount = `Ksh${shillings(prompt.amount)}`;
  const texts = {
    0: `${prompt.receipt} Confirmed. ${amount} paid to ${prompt.business} for account ${prompt.account_reference}.`,
    1: `Failed. You do not have enough money in your M-PESA account to pay ${amount} to ${prompt.business}.`,
    17: 'Failed. The same payment was asked for a moment ago. Wait two minutes.',
    1032: `You cancelled the payment of ${amount} to ${prompt.business}.`,
    1037: `The payment request of ${amount} ended without an answer.`,
    2001: 'Failed. The PIN you entered is wrong.',
  };
  const note = element('div', {}, element('strong', {}, 'M-PESA'),
    texts[prompt.result_code] || `Failed (${prompt.result_code}). ${prompt.result_text}`);
  byId('sms').append(note);
  setTimeout(() => note.remove(), SMS_SHOWN_MS);
}

async function answerPrompt(body) {
  if (!state.prompt) return;
  try {
    await call(`/control/prompts/${encodeURIComponent(state.prompt.id)}/answer`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
  } catch (error) {
    trouble(error.message);
  }
}
byId('stk-form').addEventListener('submit', (event) => {
  event.preventDefault();
  answerPrompt({ pin: byId('pin').value });
});
byId('stk-cancel').addEventListener('click', () => answerPrompt({ answer: 'cancel' }));
byId('stk').addEventListener('cancel', (event) => {  // Escape: the prompt closes when the sandbox says so
  event.preventDefault();
  answerPrompt({ answer: 'cancel' });
});

// -------------------------------------------------------------------------------------------------
// Who talks to whom

function remember() {
  try { localStorage.setItem('sandbox.people', JSON.stringify(state.people)); } catch { /* private window */ }
  const url = new URL(location.href);
  url.searchParams.set('number', state.number);
  url.searchParams.set('phone', state.phone);
  history.replaceState(null, '', url);
}

function renderPeople() {
  const select = byId('number');
  // Where a business has several connections, the provider tells them apart.
  const several = new Set(state.numbers.map((each) => each.provider)).size > 1;
  const label = (each) => (several ? `${each.name} · ${each.provider}` : each.name);
  const options = JSON.stringify(state.numbers.map((each) => [each.phone_number_id, label(each)]));
  if (select.dataset.options !== options) {
    select.dataset.options = options;
    select.replaceChildren(...(state.numbers.length
      ? state.numbers.map((each) => element('option', { value: each.phone_number_id }, label(each)))
      : [element('option', { value: '' }, 'None registered')]));
  }
  select.value = state.number;
  select.disabled = !state.numbers.length;

  const here = state.chats.filter((chat) => chat.phone_number_id === state.number);
  const list = [...state.people];
  for (const chat of here) {
    if (!list.some((person) => person.phone === chat.customer)) list.push({ phone: chat.customer, name: chat.name || chat.customer });
  }
  const picture = JSON.stringify([list, here, state.phone]);
  const box = byId('customers');
  if (box.dataset.picture === picture) return;
  const focused = document.activeElement && document.activeElement.dataset.phone;
  box.dataset.picture = picture;
  box.replaceChildren(...list.slice(0, 50).map((person) => {
    const chat = here.find((each) => each.customer === person.phone);
    const label = person.name.startsWith('+') ? spaced(person.phone) : person.name;
    return element('li', {}, element('button', {
      type: 'button', 'data-phone': person.phone, 'aria-pressed': String(person.phone === state.phone),
      onclick: () => { openChat(state.number, person.phone); closePeople(); },
    }, element('span', { class: `avatar ${hue(person.phone)}`, 'aria-hidden': 'true' }, initials(label)),
    element('span', { class: 'about' }, element('span', { class: 'name' }, label),
      element('span', { class: 'last' }, chat && chat.last_text ? plain(chat.last_text) : spaced(person.phone)))));
  }));
  if (focused) {
    const again = [...box.querySelectorAll('button')].find((node) => node.dataset.phone === focused);
    if (again) again.focus();
  }
}

async function refreshPeople() {
  try {
    const [numbers, senders, chats] = await Promise.all([
      call('/control/numbers'), call('/control/senders'), call('/control/chats')]);
    state.numbers = [
      ...numbers.numbers.map((each) => ({ ...each, provider: 'Meta' })),
      ...senders.senders.map((each) => ({ ...each, phone_number_id: each.number, provider: 'Twilio' })),
    ];
    state.chats = chats.chats;
    const known = state.numbers.some((each) => each.phone_number_id === state.number);
    if (!known && state.numbers.length) openChat(state.numbers[0].phone_number_id, state.phone);
    renderPeople();
    if (!state.numbers.length) renderChat();
  } catch { /* the chat's own poll says that the sandbox is away */ }
}

function openChat(number, phone) {
  state.number = number;
  state.phone = phone;
  state.chat = null;
  state.version = '';
  state.rendered = '';
  state.seenEnds = null;
  if (state.prompt) { state.prompt = null; byId('stk').close(); }
  byId('sms').replaceChildren();
  trouble('');
  byId('say').disabled = byId('send').disabled = !number;
  remember();
  renderPeople();
  state.generation += 1;
  if (number) follow(state.generation);
}

async function follow(generation) {
  while (generation === state.generation) {
    try {
      const path = `/control/chats/${encodeURIComponent(state.number)}/${encodeURIComponent(withPlus(state.phone))}`;
      const wait = state.version ? POLL_MS : 0;
      const chat = await call(`${path}?version=${state.version}&wait_ms=${wait}`);
      if (generation !== state.generation) return;
      state.chat = chat;
      state.version = chat.version;
      renderChat();
      renderPrompts();
    } catch {
      if (generation !== state.generation) return;
      trouble('The sandbox does not answer. Trying again…');
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      if (generation === state.generation) { trouble(''); state.version = ''; }
    }
  }
}

function openPeople() {
  byId('people').classList.add('open');
  byId('open-people').setAttribute('aria-expanded', 'true');
  byId('close-people').focus();
}
function closePeople() {
  if (!byId('people').classList.contains('open')) return;
  byId('people').classList.remove('open');
  byId('open-people').setAttribute('aria-expanded', 'false');
  byId('open-people').focus();
}
byId('open-people').addEventListener('click', openPeople);
byId('close-people').addEventListener('click', closePeople);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') closePeople();
});
byId('number').addEventListener('change', (event) => openChat(event.target.value, state.phone));
byId('new-customer').addEventListener('submit', (event) => {
  event.preventDefault();
  let phone = byId('new-phone').value.replace(/[^0-9]/g, '');
  if (/^0\d{9}$/.test(phone)) phone = '254' + phone.slice(1);  // as people in Kenya write it
  const name = byId('new-name').value.trim() || withPlus(phone);
  state.people = [{ phone, name }, ...state.people.filter((each) => each.phone !== phone)].slice(0, 30);
  event.target.reset();
  openChat(state.number, phone);
  closePeople();
});
byId('place').addEventListener('click', () => sendPlace(''));
byId('attach').addEventListener('click', () => byId('file').click());
byId('file').addEventListener('change', async () => {
  const file = byId('file').files[0];
  byId('file').value = '';
  if (!file) return;
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = '';
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  const kind = ['image', 'audio', 'video'].find((each) => file.type.startsWith(`${each}/`)) || 'document';
  const filename = kind === 'document' ? file.name : undefined;
  say({ file: { kind, mime_type: file.type, base64: btoa(binary), filename } });
});
byId('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = byId('say').value.trim();
  if (!text) return;
  byId('say').value = '';
  byId('scroll').scrollTop = byId('scroll').scrollHeight;
  say({ text });
});

// -------------------------------------------------------------------------------------------------
// What the providers saw

const WITNESS = {
  customer_said: (line) => ['info', 'Customer said', line.text],
  send_accepted: (line) => ['good', 'Message accepted', plain(visibleText(line.body) || line.type)],
  send_rejected: (line) => ['bad', `Message refused${line.code ? ` (${line.code})` : ''}`, line.reason],
  push_accepted: (line) => ['info', 'M-Pesa prompt shown', `Ksh ${shillings(line.amount)} · ${line.account_reference}`],
  push_rejected: (line) => ['bad', 'M-Pesa push refused', line.reason],
  payment_made: (line) => ['money', 'Payment made', `Ksh ${shillings(line.amount)} · receipt ${line.receipt}`],
  prompt_ended: (line) => (line.result_code === '0' ? null : ['bad', `Payment ended with code ${line.result_code}`, line.how]),
  callback_sent: (line) => [line.http_status === 200 ? 'good' : 'bad', line.what === 'callback' ? 'Payment callback' : `Payment callback, ${line.what}`, answered(line)],
  callback_lost: () => ['bad', 'Payment callback lost', 'on purpose'],
  status_lost: (line) => ['bad', `Status ${line.status} lost`, 'on purpose'],
  webhook_sent: (line) => [line.http_status === 200 ? 'good' : 'bad', `Webhook ${line.what.replace('status:', 'status ')}`, answered(line)],
};

function visibleText(body) {
  if (typeof body.Body === 'string' || body.ContentSid) return body.Body || body.ContentSid;  // Twilio's form
  if (body.text) return body.text.body;
  if (body.interactive && body.interactive.body) return body.interactive.body.text;
  return body.template ? body.template.name : '';
}

function answered(line) {
  const attempt = line.attempt > 1 ? `, attempt ${line.attempt}` : '';
  return line.http_status ? `answered ${line.http_status}${attempt}` : `no answer${attempt}`;
}

// A webhook that went well is a word on the line of its message, not a line of its own.
function noteOnLine(line) {
  if (line.kind !== 'webhook_sent' || line.http_status !== 200 || line.wamids.length !== 1) return false;
  const owner = [...byId('witness').children].find((node) => node.dataset.wamid === line.wamids[0]);
  if (!owner) return false;
  const word = line.what.startsWith('status:') ? line.what.slice(7) : 'webhook 200';
  let words = owner.querySelector('.w');
  if (!words) owner.append(words = element('span', { class: 'w' }));
  const said = [...words.children].find((node) => node.dataset.word === word);
  if (said) said.textContent = `${word} ×${(said.dataset.times = Number(said.dataset.times) + 1)}`;
  else words.append(element('span', { 'data-word': word, 'data-times': '1' }, word));
  return true;
}

async function followRecord() {
  let after = -1;
  for (;;) {
    try {
      if (document.hidden || getComputedStyle(document.querySelector('.witness')).display === 'none') {
        await new Promise((resolve) => setTimeout(resolve, PEOPLE_MS));
        continue;
      }
      // The first look skips what is long past.
      const page = await call(`/control/record?after=${Math.max(after, 0)}&wait_ms=${after < 0 ? 0 : POLL_MS}`);
      after = page.last;
      const box = byId('witness');
      for (const line of page.lines.slice(-10 * RECORD_LINES_MAX)) {
        const words = WITNESS[line.kind] && !noteOnLine(line) && WITNESS[line.kind](line);
        if (!words) continue;
        const [kind, title, detail] = words;
        box.prepend(element('li', { class: kind, 'data-wamid': line.wamid },
          element('span', { class: 'k' }, title, element('time', {}, date(line.at_us).toLocaleTimeString('en-GB'))),
          element('span', { class: 'd' }, String(detail || '').slice(0, 160))));
      }
      while (box.children.length > RECORD_LINES_MAX) box.lastChild.remove();
      if (page.lines.length) await new Promise((resolve) => setTimeout(resolve, 200));
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

// -------------------------------------------------------------------------------------------------

function begin() {
  try { state.people = JSON.parse(localStorage.getItem('sandbox.people') || '[]'); } catch { state.people = []; }
  if (!Array.isArray(state.people) || !state.people.length) state.people = PEOPLE_TO_START;
  const asked = new URL(location.href).searchParams;
  const phone = (asked.get('phone') || '').replace(/^[+ ]/, '') || state.people[0].phone;
  if (!state.people.some((person) => person.phone === phone)) state.people = [{ phone, name: asked.get('name') || withPlus(phone) }, ...state.people];
  state.number = (asked.get('number') || '').replace(/^ /, '+');
  state.phone = phone;
  if (state.number) openChat(state.number, phone);
  refreshPeople();
  setInterval(() => { if (!document.hidden) refreshPeople(); }, PEOPLE_MS);
  followRecord();
  placeDialogs();
}
begin();
