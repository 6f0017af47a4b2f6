// Sends what is queued. At least once: a worker that dies between the call and `sent` has its job run again.
import { UnrecoverableError, Worker } from 'bullmq'
import { Pool } from 'undici'
import { concurrency, graphConnections, graphUrl, graphVersion, redis } from './config.mjs'
import { claim, failed, sent } from './conversations.mjs'
import { pool } from './database.mjs'
import { closeQueue, kSendQueue } from './queue.mjs'
import { tenantById } from './tenants.mjs'

const graph = new Pool(graphUrl, { connections: graphConnections, keepAliveTimeout: 60_000, headersTimeout: 20_000 })

function whatsappMessage(messageId, to, { kind, text, buttons }) {
  const message = {
    messaging_product: 'whatsapp',
    recipient_type: 'individual',
    to,
    biz_opaque_callback_data: messageId,
  }
  if (kind !== 'interactive_button') return { ...message, type: 'text', text: { body: text } }
  return {
    ...message,
    type: 'interactive',
    interactive: {
      type: 'button',
      body: { text },
      action: { buttons: buttons.map((reply) => ({ type: 'reply', reply })) },
    },
  }
}

async function call(tenant, message) {
  const { statusCode, body } = await graph.request({
    method: 'POST',
    path: `/${graphVersion}/${tenant.phoneNumberId}/messages`,
    headers: { authorization: `Bearer ${tenant.token}`, 'content-type': 'application/json' },
    body: JSON.stringify(message),
  })
  const answer = await body.json()
  if (statusCode === 200) return answer.messages[0].id
  const why = `Graph API ${statusCode}: ${answer.error?.message}`
  // What is wrong with the message stays wrong; a limit or an outage passes.
  throw statusCode < 500 && statusCode !== 429 ? new UnrecoverableError(why) : new Error(why)
}

async function send({ data: { tenantId, messageId, to, content } }) {
  if (!(await claim(messageId))) return
  const tenant = await tenantById(tenantId)
  await sent(messageId, await call(tenant, whatsappMessage(messageId, to, content)))
}

const worker = new Worker(kSendQueue, send, { connection: redis, concurrency })
worker.on('failed', (job, error) => {
  console.error(`message ${job?.data.messageId}: ${error.message}`)
  const last = error instanceof UnrecoverableError || job?.attemptsMade >= job?.opts.attempts
  if (job && last) failed(job.data.messageId, error.message).catch((lost) => console.error(lost.message))
})
worker.on('error', (error) => console.error(`worker: ${error.message}`))

process.once('SIGTERM', async () => {
  await worker.close()
  await Promise.all([graph.close(), pool.end(), closeQueue()])
})
