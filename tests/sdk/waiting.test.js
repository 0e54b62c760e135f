// What the official clients make of streams that are raced, held until they are whole, and kept alive by comments.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

import { Router, key } from './fakes/router.js';
import { Upstream, chunk, json, sse } from './fakes/upstream.js';

const streamed = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }], stream: true };
const head = { 'content-type': 'text/event-stream' };
const answer = sse(chunk('the ')) + sse(chunk('answer')) + sse(chunk('', 'stop')) + sse('[DONE]');

let running = [];

async function serve(settings, ...scripts) {
    const upstreams = await Promise.all(scripts.map((script) => Upstream.start(script)));
    const router = await Router.startWith(settings, ...upstreams);
    running = [router, ...upstreams];
    return { client: new OpenAI({ apiKey: key, baseURL: `${router.url}/v1`, maxRetries: 0 }), router, upstreams };
}

afterEach(async () => {
    for (const each of running) await each.stop();
    running = [];
});

const silence = () => {};
const whole = (_, response) => response.writeHead(200, head).end(answer);
const after = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function text(stream) {
    let said = '';
    for await (const part of stream) said += part.choices[0].delta.content ?? '';
    return said;
}

test('a second upstream answers for a first that takes its time', async () => {
    const { client, router } = await serve('[failover]\nhedge_after = 0.2', silence, whole);
    assert.equal(await text(await client.chat.completions.create(streamed)), 'the answer');
    const [record] = router.records();
    assert.equal(record.upstream_name, 'upstream-b');
    assert.equal(record.outcome, 'ok');
});

test('a stream that breaks in the middle comes whole from the next upstream', async () => {
    const cut = (_, response) => {
        response.writeHead(200, head).write(sse(chunk('half ')));
        setTimeout(() => response.destroy(), 50);
    };
    const { client } = await serve('[failover]\ncommit = "complete"', cut, whole);
    assert.equal(await text(await client.chat.completions.create(streamed)), 'the answer');
});

test('one request asks for a whole stream by its header', async () => {
    const cut = (_, response) => {
        response.writeHead(200, head).write(sse(chunk('half ')));
        setTimeout(() => response.destroy(), 50);
    };
    const { client, upstreams } = await serve('', cut, whole);
    const stream = await client.chat.completions.create(streamed, { headers: { 'x-route-commit': 'complete' } });
    assert.equal(await text(stream), 'the answer');
    assert.equal(upstreams[1].requests[0].headers['x-route-commit'], undefined);
});

test('comments before a stream and within it are passed over', async () => {
    const slow = async (_, response) => {
        await after(350);
        response.writeHead(200, head).write(sse(chunk('the ')));
        await after(350);
        response.end(sse(chunk('answer')) + sse(chunk('', 'stop')) + sse('[DONE]'));
    };
    const { client, router } = await serve('[failover]\nkeep_alive = 0.1', slow);
    const raw = await client.chat.completions.create(streamed).asResponse();
    const body = await raw.text();
    assert.match(body, /^: keep-alive\n\n/);
    assert.equal(body.replaceAll(': keep-alive\n\n', ''), answer);
    assert.equal(await text(await client.chat.completions.create(streamed)), 'the answer');
    assert.equal(router.records()[1].response, 'the answer');
});

test('when all fail after a comment OpenAI\'s client raises what happened', async () => {
    const failing = async (_, response) => {
        await after(350);
        json({ error: { message: 'out of order' } }, 500)(_, response);
    };
    const { client } = await serve('[failover]\nkeep_alive = 0.1', failing);
    await assert.rejects(async () => text(await client.chat.completions.create(streamed)), /out of order/);
});

test('when all fail after a comment Anthropic\'s client raises what happened', async () => {
    const failing = async (_, response) => {
        await after(350);
        json({ type: 'error', error: { type: 'api_error', message: 'out of order' } }, 500)(_, response);
    };
    const { router } = await serve('[failover]\nkeep_alive = 0.1', failing);
    const client = new Anthropic({ apiKey: key, authToken: null, baseURL: router.url, maxRetries: 0 });
    const ask = { model: 'claude', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }], stream: true };
    await assert.rejects(async () => {
        for await (const event of await client.messages.create(ask)) void event;
    }, /out of order/);
});
