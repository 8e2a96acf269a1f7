// useShape of @electric-sql/react renders a table while it changes; what is rendered last is
// Postgres'. Started like subsets.test.js.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import React, { StrictMode, createElement } from 'react'
import TestRenderer from 'react-test-renderer'
import { getShape, getShapeStream, preloadShape, useShape } from '@electric-sql/react'
import { readExpected, settle, byId } from './common.js'

const { SHAPE_URL, TABLE, READY } = process.env
const end = new AbortController()
const options = { url: `${SHAPE_URL}/v1/shape`, params: { table: TABLE }, signal: end.signal }
const some = { ...options, params: { table: TABLE, where: 'n = 3', replica: 'full' } }

function Rows({ shape }) {
  const { data, isLoading, isError, error, lastSyncedAt } = useShape(shape)
  if (isError) return createElement('p', null, `error: ${error}`)
  if (isLoading) return createElement('p', null, 'loading')
  return createElement(
    'ul',
    { synced: lastSyncedAt },
    data.map((row) => createElement('li', { key: row.id, row })),
  )
}

// A selector renders only what it selects.
function Count({ shape }) {
  return createElement('b', null, useShape({ ...shape, selector: ({ data }) => data.length }))
}

const App = () =>
  createElement(
    StrictMode,
    null,
    createElement(Rows, { shape: options }),
    createElement(Count, { shape: options }),
    createElement('section', null, createElement(Rows, { shape: some })),
  )

let view
const rendered = (root) => root.findAllByType('li').map(({ props }) => props.row)
const table = () => view.root.findAllByType('ul').find(({ parent }) => parent.parent.type !== 'section')

test('preloadShape gives the shape that the hook then uses', async () => {
  const shape = await preloadShape(options)
  assert.ok(shape.currentRows.length > 0)
  assert.equal(shape, getShape(getShapeStream(options)))
})

test('the rows are rendered', async () => {
  view = TestRenderer.create(createElement(App))
  await settle(() => assert.ok(rendered(table()).length > 0))
  writeFileSync(READY, '')
})

test('what is rendered at the end is the table', async () => {
  const { rows } = await readExpected()
  const three = rows.filter(({ n }) => n === '3')
  await settle(() => {
    assert.deepEqual(byId(rendered(table())), byId(rows))
    assert.equal(view.root.findByType('b').children[0], String(rows.length))
    assert.deepEqual(byId(rendered(view.root.findByType('section'))), byId(three))
  })
})

test('an error is rendered', async () => {
  const wrong = { ...options, params: { table: 'no_such_table' }, onError: () => {} }
  const other = TestRenderer.create(createElement(Rows, { shape: wrong }))
  await settle(() => assert.match(other.root.findByType('p').children[0], /does not exist/))
  other.unmount()
  view.unmount()
  end.abort()
  setTimeout(() => process.exit(), 500).unref()
})
