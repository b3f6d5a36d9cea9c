// Every feature of npm's etcd3, unmodified, against the cluster at the endpoints given: each check says
// what must hold, and is run on its own keys.
//
//   node checks.js http://host:port http://host:port http://host:port
'use strict';
const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const { once } = require('node:events');
// Where the client is installed; this file lies elsewhere.
const { Etcd3, Range, EtcdLockFailedError } = require(`${process.env.NODE_CLIENT}/node_modules/etcd3`);

const CHECK_MS = 30_000;
const hosts = process.argv.slice(2);
const client = new Etcd3({ hosts });

// Asks until it is so.
async function until(what, condition) {
  for (const end = Date.now() + CHECK_MS / 2; Date.now() < end; ) {
    if (await condition()) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.fail(`never: ${what}`);
}

const checks = {
  async 'what is put is read, as text, number, bytes and JSON'() {
    await client.put('kv/a').value('1');
    assert.equal(await client.get('kv/a'), '1');
    assert.equal(await client.get('kv/a').number(), 1);
    assert.equal(await client.get('kv/none'), null);
    assert.equal(await client.get('kv/a').exists(), true);
    const bytes = Buffer.from([0, 255, 10, 128]);
    const { value } = await client.put('kv/a').value(bytes).getPrevious();
    assert.equal(value.toString(), '1');
    assert.deepEqual(await client.get('kv/a').buffer(), bytes);
    await client.put('kv/json').value('{"b":[1]}');
    assert.deepEqual(await client.get('kv/json').json(), { b: [1] });
    const { header, kvs } = await client.get('kv/json').exec();
    assert.equal(kvs[0].mod_revision, header.revision);
    await client.put('kv/json').touch();
    assert.equal((await client.get('kv/json').exec()).kvs[0].version, '2');
    assert.equal(await client.get('kv/a').revision(kvs[0].mod_revision).serializable(false).exists(), true);
    await assert.rejects(client.put('').value('x').exec(), /key is not provided/);
  },

  async 'ranges are ordered, limited, counted and filtered'() {
    const revisions = [];
    for (let i = 0; i < 10; i++) revisions.push((await client.put(`r/${i}`).value(9 - i)).header.revision);
    const all = () => client.getAll().prefix('r/');
    assert.equal((await all().keys()).join(''), 'r/0r/1r/2r/3r/4r/5r/6r/7r/8r/9');
    assert.equal(await all().count(), 10);
    assert.deepEqual(await all().limit(2).strings(), { 'r/0': '9', 'r/1': '8' });
    assert.deepEqual(await all().sort('Value', 'Ascend').limit(1).numbers(), { 'r/9': 0 });
    assert.deepEqual(await all().sort('Mod', 'Descend').limit(1).keys(), ['r/9']);
    assert.deepEqual(await all().minModRevision(revisions[8]).keys(), ['r/8', 'r/9']);
    assert.deepEqual(await all().maxCreateRevision(revisions[0]).keys(), ['r/0']);
    assert.deepEqual(await client.getAll().inRange({ start: 'r/3', end: 'r/5' }).keys(), ['r/3', 'r/4']);
    assert.ok((await client.getAll().all().count()) >= 10);
    assert.equal((await client.delete().inRange(new Range('r/0', 'r/5'))).deleted, '5');
    assert.equal((await client.delete().key('r/5').getPrevious())[0].value.toString(), '4');
    assert.equal((await client.delete().prefix('r/')).deleted, '4');
  },

  async 'a transaction takes one branch'() {
    await client.put('t/a').value('1');
    const txn = () => client.if('t/a', 'Value', '==', '1').and('t/a', 'Version', '>', 0).and('t/none', 'Create', '==', 0)
      .then(client.put('t/a').value('2'), client.get('t/a')).else(client.delete().key('t/a')).commit();
    const first = await txn();
    assert.equal(first.succeeded, true);
    assert.equal(first.responses[1].response_range.kvs[0].value.toString(), '2');
    const second = await txn();
    assert.equal(second.succeeded, false);
    assert.equal(await client.get('t/a'), null);
  },

  async 'a software transaction is repeated until nobody was in between'() {
    await client.put('stm').value(0);
    const add = (options) => client.stm({ retries: 100, ...options }).transact(async (tx) => {
      await tx.put('stm').value((await tx.get('stm').number()) + 1);
    });
    // RepeatableReads only would lose updates between two that read the same version.
    await Promise.all(Array.from({ length: 10 }, (_, i) => add({ isolation: i % 2 ? 1 : 2 })));
    assert.equal(await client.get('stm').number(), 10);
  },

  async 'a watch tells changes in order, from any revision'() {
    const live = await client.watch().prefix('w/').withPreviousKV().create();
    const told = [];
    live.on('put', (kv, previous) => told.push(`put ${kv.key} ${kv.value} ${previous?.value ?? ''}`));
    live.on('delete', (kv, previous) => told.push(`delete ${kv.key} ${previous?.value ?? ''}`));
    const { header } = await client.put('w/a').value('1');
    await client.put('w/a').value('2');
    await client.put('elsewhere').value('x');
    await client.delete().key('w/a');
    await until('three changes are told', () => told.length === 3);
    assert.deepEqual(told, ['put w/a 1 ', 'put w/a 2 1', 'delete w/a 2']);
    await live.cancel();
    const past = client.watch().key('w/a').startRevision(header.revision).only('put').watcher();
    const values = [];
    past.on('put', (kv) => values.push(kv.value.toString()));
    await until('both puts are told', () => values.length === 2);
    assert.deepEqual(values, ['1', '2']);
    await past.cancel();
    const some = await client.watch().inRange({ start: 'w/a', end: 'w/c' }).only('put').create();
    const next = once(some, 'put');
    await client.put('w/b').value('3');
    assert.equal((await next)[0].value.toString(), '3');
    await some.cancel();
  },

  async 'a watch of compacted history is refused'() {
    const first = (await client.put('c').value('1')).header.revision;
    const last = (await client.put('c').value('2')).header.revision;
    await client.kv.compact({ revision: last, physical: true });
    await assert.rejects(client.kv.compact({ revision: first }), /required revision has been compacted/);
    await until('every member refuses the old revision', async () => {
      const answers = await Promise.allSettled(hosts.map(async (host) => {
        const one = new Etcd3({ hosts: host });
        return one.get('c').revision(first).exec().finally(() => one.close());
      }));
      return answers.every((answer) => answer.status === 'rejected' && /compacted/.test(answer.reason.message));
    });
    const error = await new Promise((done) => {
      const watch = client.watch().key('c').startRevision(first).watcher();
      watch.on('error', done);
    });
    assert.match(error.message, /Watcher canceled/);
  },

  async 'a lease is kept, holds its keys, and is lost when it is revoked'() {
    const lease = client.lease(2);
    await lease.put('l/a').value('1');
    const id = await lease.grant();
    await client.put('l/b').value('2').lease(id);
    await client.put('l/b').value('3').ignoreLease();
    const held = (await client.leaseClient.leaseTimeToLive({ ID: id, keys: true })).keys.map(String).sort();
    assert.deepEqual(held, ['l/a', 'l/b']);
    assert.equal((await lease.keepaliveOnce()).TTL, '2');
    const begun = Date.now();
    await until('its time is over twice', () => Date.now() - begun > 4000);
    assert.equal(await client.get('l/a'), '1');
    assert.ok((await client.leaseClient.leaseLeases()).leases.some((one) => one.ID === id));
    await lease.revoke();
    assert.equal(lease.revoked(), true);
    assert.equal(await client.getAll().prefix('l/').count(), 0);
    const other = client.lease(100);
    await other.grant();
    const lost = once(other, 'lost');
    await client.leaseClient.leaseRevoke({ ID: await other.grant() });
    // Another member than the one that answered may not have applied it yet.
    await until('it is not renewed', () => other.keepaliveOnce().then(() => false, (error) => /lease/i.test(error.message)));
    await lost;
  },

  async 'a lock is held by one at a time'() {
    let holders = 0;
    let turns = 0;
    const work = async () => {
      for (let i = 0; i < 3; ) {
        try {
          await client.lock('mutex').ttl(10).do(async () => {
            assert.equal(++holders, 1);
            await client.put('guarded').value(turns);
            holders--;
          });
          i++;
          turns++;
        } catch (error) {
          if (!(error instanceof EtcdLockFailedError)) throw error; // it is held: the library does not wait
        }
      }
    };
    await Promise.all([work(), work(), work()]);
    assert.equal(turns, 9);
    const held = await client.lock('other').acquire();
    assert.ok(await held.leaseId());
    await assert.rejects(client.lock('other').acquire(), EtcdLockFailedError);
    await held.release();
  },

  async 'an election has one leader, whom observers see'() {
    const election = client.election('boss', 10);
    assert.equal(await election.leader(), undefined);
    const one = election.campaign('one');
    await one.wait();
    const two = election.campaign('two');
    const observer = await election.observe();
    await until('the first leads', () => observer.leader() === 'one');
    await one.proclaim('one speaks');
    await until('the first is heard', () => observer.leader() === 'one speaks');
    await one.resign();
    await two.wait();
    await until('the second leads', () => observer.leader() === 'two');
    assert.equal(await election.leader(), 'two');
    await two.resign();
    await observer.cancel();
  },

  async 'a namespace hides its prefix'() {
    const space = client.namespace('space/');
    await space.put('a').value('1');
    assert.equal(await client.get('space/a'), '1');
    assert.deepEqual(await space.getAll().keys(), ['a']);
    const watch = await space.watch().key('a').create();
    const next = once(watch, 'put');
    await client.put('space/a').value('2');
    assert.equal((await next)[0].key.toString(), 'a');
    await watch.cancel();
    assert.equal((await space.delete().all()).deleted, '1');
  },

  async 'members, states, hashes and alarms are told'() {
    const { members } = await client.cluster.memberList({});
    assert.equal(members.length, hosts.length);
    const status = await client.maintenance.status();
    assert.match(status.version, /^3\./);
    assert.ok(members.some((member) => member.ID === status.leader));
    assert.ok((await client.maintenance.hash()).hash > 0);
    await client.maintenance.defragment();
    const [{ ID }] = members;
    await client.maintenance.alarm({ action: 1, memberID: ID, alarm: 1 });
    await assert.rejects(client.put('full').value('1').exec(), /database space exceeded/);
    assert.equal((await client.maintenance.alarm({ action: 0 })).alarms[0].memberID, ID);
    await client.maintenance.alarm({ action: 2, memberID: ID, alarm: 1 });
    await client.put('full').value('1');
  },

  async 'a snapshot is whole'() {
    const stream = await client.maintenance.snapshot();
    const pieces = [];
    stream.on('data', (piece) => pieces.push(piece.blob));
    await new Promise((done, failed) => { stream.on('end', done); stream.on('error', failed); });
    const bytes = Buffer.concat(pieces);
    const sum = createHash('sha256').update(bytes.subarray(0, -32)).digest();
    assert.deepEqual(sum, bytes.subarray(-32));
  },

  // Last: while authentication is on, the other checks' client may do nothing.
  async 'users may do what their roles allow'() {
    const root = await client.role('root').create();
    const reader = await client.role('reader').create();
    await reader.grant({ permission: 'Read', range: Range.prefix('u/') });
    assert.deepEqual((await reader.permissions()).map((one) => one.permission), ['Read']);
    await (await client.user('root').create('secret')).addRole(root);
    await (await client.user('alice').create('a')).addRole(reader);
    assert.deepEqual((await client.getUsers()).map((user) => user.name).sort(), ['alice', 'root']);
    assert.deepEqual((await client.getRoles()).map((role) => role.name).sort(), ['reader', 'root']);
    await client.put('u/a').value('1');
    await client.auth.authEnable();
    const as = (username, password) => new Etcd3({ hosts, auth: { username, password } });
    const admin = as('root', 'secret');
    try {
      const alice = as('alice', 'a');
      assert.equal(await alice.get('u/a'), '1');
      await assert.rejects(alice.put('u/a').value('2').exec(), /permission denied/);
      await assert.rejects(alice.get('v').exec(), /permission denied/);
      alice.close();
      await assert.rejects(client.get('u/a').exec(), /user name is empty/);
      const wrong = as('root', 'wrong');
      await assert.rejects(wrong.get('u/a').exec(), /invalid user ID or password/);
      wrong.close();
      await admin.user('alice').setPassword('b');
      await admin.user('alice').removeRole('reader');
      await admin.role('reader').revoke({ permission: 'Read', range: Range.prefix('u/') });
      await admin.role('reader').delete();
      await admin.user('alice').delete();
    } finally {
      await admin.auth.authDisable();
      admin.close();
    }
  },
};

async function main() {
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    let timer;
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('it hangs')), CHECK_MS); });
    try {
      await Promise.race([check(), late]);
      console.log(`ok ${name}`);
    } catch (error) {
      failed++;
      console.log(`FAILED ${name}: ${error.stack}`);
    }
    clearTimeout(timer);
  }
  console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

main();
