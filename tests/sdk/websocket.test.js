// A real WebSocket client and server (npm `ws`) with the router between them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, test } from 'node:test';

import WebSocket, { WebSocketServer } from 'ws';

import { Router, key } from './fakes/router.js';
import { Upstream, json } from './fakes/upstream.js';

let running = [];

// A WebSocket server whose connections a test handles.
async function realtime(handle, options = {}) {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
    await once(server, 'listening');
    server.url = `http://127.0.0.1:${server.address().port}/v1`;
    server.requests = [];
    server.on('connection', (socket, request) => {
        server.requests.push(request);
        handle(socket, request);
    });
    server.stop = () => {
        for (const client of server.clients) client.terminate();
        server.close();
    };
    return server;
}

const echo = (socket) => socket.on('message', (data, binary) => socket.send(data, { binary }));

async function serve(...upstreams) {
    const router = await Router.start(...upstreams);
    running = [router, ...upstreams];
    return router;
}

function connect(router, protocols = ['realtime'], options = {}) {
    const url = `${router.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`;
    return new WebSocket(url, protocols, { headers: { authorization: `Bearer ${key}` }, ...options });
}

async function opened(...args) {
    const socket = connect(...args);
    await once(socket, 'open');
    return socket;
}

async function answer(socket) {
    const [data, binary] = await once(socket, 'message');
    return binary ? data : data.toString();
}

afterEach(async () => {
    for (const each of running.reverse()) await each.stop();
    running = [];
});

test('messages in both directions, 64 KB and more', async () => {
    const router = await serve(await realtime(echo));
    const socket = await opened(router);
    for (const size of [1, 125, 126, 65535, 65536, 1_000_000]) {
        const sent = Buffer.alloc(size, size % 251);
        socket.send(sent);
        assert.deepEqual(await answer(socket), sent);
    }
    socket.send('text: ä€😀');
    assert.equal(await answer(socket), 'text: ä€😀');
    socket.close();
    await once(socket, 'close');
    const record = await router.lastRecord();
    assert.equal(record.outcome, 'ok');
    assert.equal(record.status, 101);
    assert.ok(record.body_bytes > 1_131_000 && record.response_bytes > 1_131_000);
});

test('fragmented and compressed messages', async () => {
    const router = await serve(await realtime(echo, { perMessageDeflate: true }));
    const socket = await opened(router, ['realtime'], { perMessageDeflate: true });
    assert.match(socket.extensions, /permessage-deflate/);
    for (const piece of ['one ', 'two ', 'three ']) socket.send(piece, { fin: false });
    socket.send('x'.repeat(70_000), { fin: true });
    assert.equal(await answer(socket), 'one two three ' + 'x'.repeat(70_000));
    socket.close();
    await once(socket, 'close');
});

test('pings and pongs', async () => {
    const upstream = await realtime((socket) => socket.on('pong', (data) => socket.send(`pong ${data}`)));
    const router = await serve(upstream);
    const socket = await opened(router);
    socket.ping('are you there');
    assert.equal((await once(socket, 'pong'))[0].toString(), 'are you there');
    [...upstream.clients][0].ping('and you');
    assert.equal(await answer(socket), 'pong and you');
    socket.close();
    await once(socket, 'close');
});

test('close frames in both directions', async () => {
    const upstream = await realtime((socket) =>
        socket.on('message', (data) => (data.toString() === 'end it' ? socket.close(4001, 'as you wish') : undefined)),
    );
    const router = await serve(upstream);
    const first = await opened(router);
    first.send('end it');
    const [code, reason] = await once(first, 'close');
    assert.deepEqual([code, reason.toString()], [4001, 'as you wish']);

    const second = await opened(router);
    const ended = once([...upstream.clients].at(-1), 'close');
    second.close(4002, 'enough');
    const [seen, why] = await ended;
    assert.deepEqual([seen, why.toString()], [4002, 'enough']);
});

test('a failed handshake goes to the next upstream', async () => {
    const refusing = await Upstream.start(json({ error: { message: 'busy' } }, 503));
    const router = await serve(refusing, await realtime(echo));
    const socket = connect(router);
    const [response] = await once(socket, 'upgrade');
    assert.equal(response.headers['x-route-upstream'], 'upstream-b');
    socket.terminate();
});

test('when every upstream refuses, the client sees why', async () => {
    const router = await serve(await Upstream.start(json({ error: { message: 'busy' } }, 429)));
    const socket = connect(router);
    socket.on('error', () => {});
    const [, response] = await once(socket, 'unexpected-response');
    assert.equal(response.statusCode, 429);
    response.resume();
});

test('the key among the protocols, as browsers send it', async () => {
    const upstream = await realtime(echo, { handleProtocols: (offered) => [...offered][0] });
    const router = await serve(upstream);
    const socket = await opened(router, ['realtime', `openai-insecure-api-key.${key}`, 'openai-beta.realtime-v1'], { headers: {} });
    assert.equal(socket.protocol, 'realtime');
    assert.equal(
        upstream.requests[0].headers['sec-websocket-protocol'],
        'realtime,openai-insecure-api-key.sk-of-upstream-a-0123456789,openai-beta.realtime-v1'.replaceAll(',', ', '),
    );
    socket.close();
    await once(socket, 'close');
    assert.equal((await router.lastRecord()).key_name, 'tester');
});

test('a cut connection is seen as one', async () => {
    const upstream = await realtime((socket) => socket.on('message', () => socket.terminate()));
    const router = await serve(upstream);
    const socket = await opened(router);
    socket.send('go');
    const [code] = await once(socket, 'close');
    assert.equal(code, 1006);
});
