// A webhook door as most stacks have it: Express checks the signature of the raw body, inserts one
// row a message through pg's pool, answers 200. node express.mjs PORT DATABASE_URL, APP_SECRET set.
import { createHmac, timingSafeEqual } from 'node:crypto'
import express from 'express'
import pg from 'pg'

const [, , port, url] = process.argv
const secret = process.env.APP_SECRET
const pool = new pg.Pool({ connectionString: url, max: 10 })

function signed(body, header) {
  const wanted = Buffer.from('sha256=' + createHmac('sha256', secret).update(body).digest('hex'))
  const given = Buffer.from(header ?? '')
  return wanted.length === given.length && timingSafeEqual(wanted, given)
}

const app = express()
app.post('/webhooks/whatsapp', express.raw({ type: '*/*' }), async (request, response) => {
  if (!signed(request.body, request.get('X-Hub-Signature-256'))) return response.sendStatus(401)
  try {
    for (const entry of JSON.parse(request.body.toString('utf8')).entry)
      for (const { value } of entry.changes)
        for (const message of value.messages ?? [])
          await pool.query({
            name: 'insert',
            text: 'insert into webhook_events (message_id, phone_number_id, payload) values ($1, $2, $3) on conflict (message_id) do nothing',
            values: [message.id, value.metadata.phone_number_id, request.body],
          })
    response.sendStatus(200)
  } catch (error) {
    console.error(error.message)
    response.sendStatus(500)
  }
})
app.listen(Number(port), '127.0.0.1')
