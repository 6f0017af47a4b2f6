// The polling outbox as it is usually written by hand: lock a page, produce it with acks=all, delete
// it, commit; look again at once after a full page, otherwise in 50 ms. One worker, so that events
// keep their order. node polling_relay.mjs DATABASE_URL BROKERS
import { Kafka, logLevel } from 'kafkajs'
import pg from 'pg'

const PAGE = 500
const INTERVAL_MS = 50
const [, , url, brokers] = process.argv
const db = new pg.Client(url)
const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.ERROR })
const producer = kafka.producer({ allowAutoTopicCreation: false })
let stopping = false
process.on('SIGTERM', () => (stopping = true))
await db.connect()
await producer.connect()
console.log('ready')

while (!stopping) {
  await db.query('begin')
  const { rows } = await db.query({
    name: 'page',
    text: 'select id, topic, key, payload from outbox_poll order by id limit $1 for update skip locked',
    values: [PAGE],
  })
  if (rows.length > 0) {
    const byTopic = group(rows)
    await producer.sendBatch({
      acks: -1,
      topicMessages: [...byTopic].map(([topic, all]) => ({
        topic,
        messages: all.map((row) => ({ key: row.key, value: row.payload })),
      })),
    })
    await db.query({
      name: 'done',
      text: 'delete from outbox_poll where id = any($1)',
      values: [rows.map((row) => row.id)],
    })
  }
  await db.query('commit')
  if (rows.length < PAGE) await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS))
}
await producer.disconnect()
await db.end()


function group(rows) {
  const byTopic = new Map()
  for (const row of rows) {
    if (!byTopic.has(row.topic)) byTopic.set(row.topic, [])
    byTopic.get(row.topic).push(row)
  }
  return byTopic
}
