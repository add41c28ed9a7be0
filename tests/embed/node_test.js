// Loads the addon, which brings libholdfast.so, into Node and uses a store; twice, so that the
// second time finds the first one's log. Usage: node node_test.js PATH_OF_ADDON
'use strict';
const assert = require('assert');
const fs = require('fs');
const os = require('os');
const path = require('path');

const addon = require(path.resolve(process.argv[2]));
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-node-'));
try {
  assert.strictEqual(addon.run(directory), 'OK hello from node');
  assert.strictEqual(addon.run(directory), 'OK hello from node');
  const maps = fs.readFileSync('/proc/self/maps', 'ascii');
  assert.ok(maps.includes('libholdfast.so'), 'the shared library is loaded');
  assert.ok(!maps.includes('jemalloc'), 'Node keeps its own malloc');
} finally {
  fs.rmSync(directory, { recursive: true, force: true });
}
console.log('passed');
