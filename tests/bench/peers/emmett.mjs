// Emmett's PostgreSQL event store: appendToStream of one event with the expected version.
// node emmett.mjs DATABASE_URL CLIENTS SECONDS BYTES; with 0 seconds it only makes its tables.
import { randomUUID } from 'node:crypto'
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql'

const [, , url, clients, seconds, bytes] = process.argv
const store = getPostgreSQLEventStore(url)
await store.schema.migrate()
const event = { type: 'Appended', data: { body: 'x'.repeat(Number(bytes) - 11) } }
const until = performance.now() + Number(seconds) * 1000
const began = performance.now()
let appended = 0
await Promise.all(
  Array.from({ length: Number(clients) }, async () => {
    const streams = Array.from({ length: 1000 }, () => ({ name: `item-${randomUUID()}`, version: 0n }))
    for (let n = 0; performance.now() < until; n++) {
      const stream = streams[n % streams.length]
      const expected = stream.version === 0n ? 'STREAM_DOES_NOT_EXIST' : stream.version
      const result = await store.appendToStream(stream.name, [event], { expectedStreamVersion: expected })
      stream.version = result.nextExpectedStreamVersion
      appended++
    }
  }),
)
console.log(JSON.stringify({ appended, seconds: (performance.now() - began) / 1000 }))
process.exit(0)
