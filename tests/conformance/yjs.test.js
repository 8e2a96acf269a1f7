// @electric-sql/y-electric: documents that are edited in several places at once become equal, and
// equal to the document that Postgres' rows make.
//
// test_clients.py starts this. It gives SHAPE_URL, WRITE_URL (PUT /document, /awareness), the path
// of a file, READY, that is made here when all edits were sent, and the path of one, EXPECTED, that
// appears then: {updates: ["\\x…"], clients: ["…"]}.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import * as Y from 'yjs'
import * as decoding from 'lib0/decoding'
import { Awareness } from 'y-protocols/awareness'
import { ElectricProvider, parseToDecoder } from '@electric-sql/y-electric'
import { readExpected, settle } from './common.js'

const { SHAPE_URL, WRITE_URL, READY } = process.env
const ROOM = "it's a room"
const EDITS = 30

function join(name) {
  const doc = new Y.Doc()
  const awareness = new Awareness(doc)
  const shape = (table) => ({
    url: `${SHAPE_URL}/v1/shape`,
    params: { table, where: 'room = $1', params: { 1: ROOM } },
    parser: parseToDecoder,
  })
  const sendUrl = (path) =>
    `${WRITE_URL}${path}?room=${encodeURIComponent(ROOM)}&client_id=${doc.clientID}`
  const provider = new ElectricProvider({
    doc,
    documentUpdates: {
      shape: shape('ydoc_update'),
      sendUrl: sendUrl('/document'),
      getUpdateFromRow: (row) => row.op,
    },
    awarenessUpdates: {
      shape: shape('ydoc_awareness'),
      sendUrl: sendUrl('/awareness'),
      protocol: awareness,
      getUpdateFromRow: (row) => row.op,
    },
  })
  return { name, doc, awareness, provider }
}

const content = (doc) => ({
  text: doc.getText('text').toString(),
  map: doc.getMap('map').toJSON(),
  list: doc.getArray('list').toJSON(),
})

function rebuild(updates) {
  const doc = new Y.Doc()
  for (const hex of updates) {
    Y.applyUpdate(doc, decoding.readVarUint8Array(parseToDecoder.bytea(hex)))
  }
  return content(doc)
}

const people = ['ann', 'ben', 'cem'].map(join)

test('edits of all at once come to all', async () => {
  await settle(() => assert.ok(people.every(({ provider }) => provider.synced)))
  for (let step = 0; step < EDITS; step++) {
    for (const { name, doc } of people) {
      const text = doc.getText('text')
      text.insert(step % (text.length + 1), `${name}${step} `)
      if (step % 5 === 4) text.delete(0, 3)
      doc.getMap('map').set(`${name} ${step % 4}`, step)
      doc.getArray('list').push([`${name} ${step}`])
    }
    if (step % 7 === 0) await new Promise((done) => setTimeout(done, 30))
  }
  await settle(() => {
    const [first, ...others] = people.map(({ doc }) => content(doc))
    assert.equal(first.list.length, people.length * EDITS)
    others.forEach((other) => assert.deepEqual(other, first))
  })
})

test('who comes late has it all', async () => {
  people.push(join('dee'))
  await settle(() => assert.deepEqual(content(people[3].doc), content(people[0].doc)))
  people[3].doc.getText('text').insert(0, 'dee was here. ')
  await settle(() => assert.match(people[0].doc.getText('text').toString(), /^dee was here/))
})

test('everybody sees who is there', async () => {
  people.forEach(({ name, awareness }) => awareness.setLocalStateField('user', { name }))
  await settle(() => {
    for (const { awareness } of people) {
      const seen = [...awareness.getStates().values()].map(({ user }) => user?.name).sort()
      assert.deepEqual(seen, ['ann', 'ben', 'cem', 'dee'])
    }
  })
})

test("the documents are what Postgres' rows make", async () => {
  writeFileSync(READY, '')
  const { updates, clients } = await readExpected()
  const want = rebuild(updates)
  people.forEach(({ doc }) => assert.deepEqual(content(doc), want))
  assert.deepEqual(
    people.map(({ doc }) => String(doc.clientID)).sort(),
    [...clients].sort(),
  )
  for (const { provider, awareness, doc } of people) {
    provider.destroy()
    awareness.destroy()
    doc.destroy()
  }
  setTimeout(() => process.exit(), 500).unref()
})
