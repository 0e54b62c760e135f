import assert from 'node:assert/strict';
import * as buffer from 'node:buffer';
import { once } from 'node:events';
import { afterEach, test } from 'node:test';

import OpenAI, { toFile } from 'openai';

import { Router, key } from './fakes/router.js';
import { Upstream, chunk, completion, json, sse } from './fakes/upstream.js';

globalThis.File ??= buffer.File; // Node 18 has it, but not everywhere

const chat = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] };
const streamed = { ...chat, stream: true };

let running = [];

// A router before these scripted upstreams, and the SDK's client of it.
async function serve(...scripts) {
    const upstreams = await Promise.all(scripts.map((script) => Upstream.start(script)));
    const router = await Router.start(...upstreams);
    running = [router, ...upstreams];
    const client = new OpenAI({ apiKey: key, baseURL: `${router.url}/v1`, maxRetries: 0 });
    return { client, router, upstreams };
}

afterEach(async () => {
    for (const each of running.reverse()) await each.stop();
    running = [];
});

test('a chat', async () => {
    const { client, router, upstreams } = await serve(json(completion));
    const reply = await client.chat.completions.create(chat);
    assert.equal(reply.choices[0].message.content, 'hello');
    assert.equal(upstreams[0].requests[0].headers.authorization, 'Bearer sk-of-upstream-a-0123456789');
    assert.equal(upstreams[0].requests[0].headers['x-stainless-lang'], 'js');
    const [record] = router.records();
    assert.equal(record.response, 'hello');
    assert.equal(record.total_tokens, 8);
    assert.equal(record.request_id, reply._request_id);
});

test('a stream comes word by word', async () => {
    let next;
    const { client, router } = await serve(async (_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (const word of ['one ', 'two ', 'three']) {
            const taken = new Promise((resolve) => (next = resolve));
            response.write(sse(chunk(word)));
            await taken;
        }
        response.end(sse(chunk('', 'stop')) + sse('[DONE]'));
    });
    const words = [];
    for await (const part of await client.chat.completions.create(streamed)) {
        if (part.choices[0].delta.content) words.push(part.choices[0].delta.content);
        next(); // the upstream writes a word only when the one before has arrived
    }
    assert.deepEqual(words, ['one ', 'two ', 'three']);
    assert.equal(router.records()[0].response, 'one two three');
});

test('embeddings', async () => {
    const { client } = await serve(
        json({ object: 'list', model: 'e', data: [{ object: 'embedding', index: 0, embedding: [0.25, -1] }], usage: { prompt_tokens: 1, total_tokens: 1 } }),
    );
    const reply = await client.embeddings.create({ model: 'e', input: 'x', encoding_format: 'float' });
    assert.deepEqual(reply.data[0].embedding, [0.25, -1]);
});

test('the list of models', async () => {
    const { client } = await serve(json({ object: 'list', data: [{ id: 'gpt-4o', object: 'model' }] }));
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert.deepEqual(names, ['gpt-4o']);
});

test('a file is uploaded whole', async () => {
    const content = Buffer.alloc(300_000, 'line of a training file\n');
    const { client, upstreams } = await serve(json({ id: 'file-1', object: 'file', bytes: content.length, filename: 'a.jsonl', purpose: 'fine-tune' }));
    const file = await client.files.create({ file: await toFile(content, 'a.jsonl'), purpose: 'fine-tune' });
    assert.equal(file.id, 'file-1');
    const request = upstreams[0].requests[0];
    assert.match(request.headers['content-type'], /^multipart\/form-data; boundary=/);
    assert.ok(request.body.includes(content));
});

test('speech comes byte for byte', async () => {
    const sound = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 251));
    const { client } = await serve((_, response) => response.writeHead(200, { 'content-type': 'audio/mpeg' }).end(sound));
    const reply = await client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'hi' });
    assert.ok(Buffer.from(await reply.arrayBuffer()).equals(sound));
});

test('a client that aborts is recorded as gone, and the upstream is let go', async () => {
    let gone;
    const { client, router } = await serve((request, response) => {
        gone = once(response, 'close');
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(sse(chunk('one ')));
    });
    const stream = await client.chat.completions.create(streamed);
    for await (const part of stream) {
        assert.equal(part.choices[0].delta.content, 'one ');
        stream.controller.abort();
    }
    await gone;
    const record = await router.lastRecord();
    assert.equal(record.outcome, 'client_closed');
    assert.equal(record.status, 499);
});

test('429 is raised as it came', async () => {
    const { client } = await serve(
        json({ error: { message: 'slow down', type: 'requests', param: null, code: 'rate_limit_exceeded' } }, 429, { 'retry-after': '7' }),
    );
    await assert.rejects(client.chat.completions.create(chat), (error) => {
        assert.ok(error instanceof OpenAI.RateLimitError);
        assert.equal(error.code, 'rate_limit_exceeded');
        assert.equal(error.headers.get('retry-after'), '7');
        return true;
    });
});

test('a wrong key is raised as PermissionDeniedError', async () => {
    const { client } = await serve(json(completion));
    await assert.rejects(client.withOptions({ apiKey: 'wrong' }).chat.completions.create(chat), (error) => {
        assert.ok(error instanceof OpenAI.PermissionDeniedError);
        assert.equal(error.code, 'invalid_api_key');
        assert.match(error.message, /wrong authorization header/);
        return true;
    });
});

test('the second upstream answers for the first', async () => {
    const { client, router } = await serve((request) => request.socket.destroy(), json(completion));
    const { data, response } = await client.chat.completions.create(chat).withResponse();
    assert.equal(data.choices[0].message.content, 'hello');
    assert.equal(response.headers.get('x-route-upstream'), 'upstream-b');
    assert.equal(response.headers.get('x-route-attempts'), '2');
    assert.equal(router.records()[0].upstream_name, 'upstream-b');
});

test('when all fail the SDK raises at once instead of trying again', async () => {
    const { client, upstreams } = await serve((request) => request.socket.destroy());
    await assert.rejects(client.withOptions({ maxRetries: 3 }).chat.completions.create(chat), (error) => {
        assert.equal(error.status, 502);
        assert.equal(error.code, 'upstream_error');
        return true;
    });
    assert.equal(upstreams[0].requests.length, 1);
});

test('a failure that is relayed is not tried again either', async () => {
    const { client, upstreams } = await serve(
        json({ error: { message: 'no', type: 'server_error', param: null, code: null } }, 503, { 'x-should-retry': 'true' }),
    );
    await assert.rejects(client.withOptions({ maxRetries: 3 }).chat.completions.create(chat), OpenAI.InternalServerError);
    assert.equal(upstreams[0].requests.length, 1);
});

test('a base URL that says too much is told of', async () => {
    const { client, router } = await serve(json(completion));
    for (const baseURL of [`${router.url}/v1/v1`, `${router.url}/v1/chat/completions`]) {
        await assert.rejects(client.withOptions({ baseURL }).chat.completions.create(chat), (error) => {
            assert.ok(error instanceof OpenAI.NotFoundError);
            assert.match(error.message, /twice: the client's base URL/);
            return true;
        });
    }
});

test('a response that is cut says so in an event of its own and raises', async () => {
    const { client, router } = await serve((request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const event = (data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
        response.write(
            event({ type: 'response.created', sequence_number: 0, response: { id: 'resp_1', output: [] } }) +
                event({ type: 'response.output_text.delta', sequence_number: 1, item_id: 'm', output_index: 0, content_index: 0, delta: 'hel' }),
            () => request.socket.destroy(),
        );
    });
    const events = [];
    await assert.rejects(async () => {
        for await (const event of await client.responses.create({ model: 'gpt-4o', input: 'hi', stream: true })) events.push(event);
    });
    const error = events.at(-1);
    assert.deepEqual([error.type, error.sequence_number, error.code, error.param], ['error', 2, 'upstream_truncated', null]);
    assert.match(error.message, /broke off/);
    assert.equal((await router.lastRecord()).outcome, 'truncated');
});

test('a stream that is cut raises', async () => {
    const { client, router } = await serve((request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(sse(chunk('one ')), () => request.socket.destroy());
    });
    const words = [];
    await assert.rejects(async () => {
        for await (const part of await client.chat.completions.create(streamed)) words.push(part.choices[0].delta.content);
    });
    assert.deepEqual(words, ['one ']);
    assert.equal((await router.lastRecord()).outcome, 'truncated');
});

test('the models of two upstreams are one list', async () => {
    const list = (...names) => json({ object: 'list', data: names.map((id) => ({ id, object: 'model' })) });
    const { client } = await serve(list('gpt-4o', 'gpt-4o-mini'), list('gpt-4o', 'claude'));
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert.deepEqual(names, ['gpt-4o', 'gpt-4o-mini', 'claude']);
});
