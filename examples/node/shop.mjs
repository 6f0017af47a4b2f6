// Registers a tenant, sends a message, takes a payment in the sandbox and follows the events of it.
// Run it with run.sh, which knows the addresses of the running stack.
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { randomInt, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

const env = process.env;
const root = new URL('../../proto/', import.meta.url).pathname;
const files = ['common/v1/event_log', 'gateway/v1/tenant_service', 'gateway/v1/contact_service', 'gateway/v1/message_service',
  'payment/v1/payment_service', 'payment/v1/provider_account_service', 'payment/v1/intent_events'].map((f) => `flowstack/${f}.proto`);
const { flowstack } = grpc.loadPackageDefinition(loader.loadSync(files, { includeDirs: [root], keepCase: true, longs: String, enums: String, defaults: true }));
const { common, gateway, payment } = flowstack;

const key = new grpc.Metadata();
key.set('x-internal-key', env.INTERNAL_KEY); // every call of a service carries it, or the connection has a certificate …
const pem = (name) => (env[`GRPC_TLS_${name}_FILE`] ? readFileSync(env[`GRPC_TLS_${name}_FILE`]) : null);
const credentials = pem('CA') ? grpc.credentials.createSsl(pem('CA'), pem('KEY'), pem('CERT')) : grpc.credentials.createInsecure();
const at = (Service, address) => new Service(address, credentials);
const call = (client, method, request) => new Promise((done, failed) => // … and a deadline
  client[method](request, key, { deadline: Date.now() + 10_000 }, (error, answer) => (error ? failed(error) : done(answer))));
const sandbox = async (method, path, body) => { // stands in for Meta, Safaricom and the customer
  const answer = await fetch(env.SANDBOX_URL + path, { method, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
};

// Every event of a lane from a position on, for ever: a broken stream goes on where it stopped.
function follow(log, lane, position, seen) {
  const stream = log.Subscribe({ lane, from_position: String(position) }, key, { deadline: Date.now() + 3_600_000 });
  stream.on('data', (event) => {
    seen(event);
    position = BigInt(event.position) + 1n; // keep it where a restart of yours finds it
  });
  stream.on('error', (error) => {
    if (![grpc.status.UNAVAILABLE, grpc.status.DEADLINE_EXCEEDED].includes(error.code)) throw error;
    setTimeout(() => follow(log, lane, position, seen), 500);
  });
}

// A shop with its WhatsApp number and its M-Pesa short code.
const id = `node-${randomUUID().slice(0, 8)}`;
const number = String(randomInt(1e11, 2e11)), short_code = String(randomInt(100_000, 999_999)), phone = `+2547${randomInt(10_000_000, 99_999_999)}`;
const mpesa = { short_code, passkey: 'pass', consumer_key: `key-${id}`, consumer_secret: 'secret' };
await sandbox('PUT', '/control/numbers', { phone_number_id: number, waba_id: `waba-${id}`, token: `mock_${id}`, name: id,
  display_phone_number: `254${number.slice(0, 9)}`, app_secret: env.META_APP_SECRET, webhook_url: `${env.PUBLIC_BASE_URL}/webhooks/whatsapp` });
await sandbox('PUT', '/control/shortcodes', { ...mpesa, shortcode: short_code, short_code: undefined, name: id });
const { name } = await call(at(gateway.v1.TenantService, env.GATEWAY_GRPC), 'RegisterTenant', {
  tenant_id: id, request_id: id,
  settings: { name: 'Node shop', country_code: 'KE', time_zone: 'Africa/Nairobi', currency_code: 'KES', languages: ['en'],
    pack: 'ECOMMERCE', payment_providers: ['mpesa'] },
  channel: { external_id: number, app_id: env.META_APP_ID, credentials: { access_token: `mock_${id}` } } });
await call(at(payment.v1.ProviderAccountService, env.PAYMENT_GRPC), 'ConnectProviderAccount', { parent: name, mpesa });
console.log('registered', name);

// Follows the payments' log from here on, every lane.
const log = at(common.v1.EventLog, env.PAYMENT_GRPC);
const { heads } = await call(log, 'Heads', {});
const paid = new Promise((done) => heads.forEach(({ lane, position }) => follow(log, lane, BigInt(position) + 1n, (event) => {
  if (event.tenant !== id) return;
  console.log(`  payment ${event.lane}:${event.position} ${event.type.split('.').pop()}`);
  if (event.type === 'flowstack.payment.v1.IntentPaid') done();
})));

// The customer writes, which opens the service window, and gets an answer from us.
await sandbox('PUT', `/control/payers/${phone}`, { behaviour: 'pay', delay_ms: 200, balance: 5000 });
await sandbox('POST', `/control/customers/${phone}/say`, { phone_number_id: number, text: 'Hi', name: 'Asha' });
const sent = await call(at(gateway.v1.MessageService, env.GATEWAY_GRPC), 'SendMessage', {
  parent: name, to: phone, content: { text: { body: 'Your repair is ready.' } }, request_id: 'repair-77' });
console.log('sent', sent.name, sent.state);

// A payment of KES 150.00, asked for on their phone. The sandbox's payer knows the PIN.
const { customer_id } = await call(at(gateway.v1.ContactService, env.GATEWAY_GRPC), 'ResolveContact', { parent: name, phone });
const payments = at(payment.v1.PaymentService, env.PAYMENT_GRPC);
const intent = await call(payments, 'CreatePaymentIntent', { parent: name, request_id: 'pay-77', customer_id, phone,
  reference: 'REPAIR-77', amount: { minor_units: '15000', currency_code: 'KES' } });
await call(payments, 'InitiateStkPush', { name: intent.name, request_id: 'push-77' });
await Promise.race([paid, new Promise((_, failed) => setTimeout(failed, 30_000, new Error('the payment did not come')))]);
console.log('paid, receipt', (await call(payments, 'GetPayment', { name: intent.name })).receipt);
process.exit(0);
