import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import Anthropic from '@anthropic-ai/sdk';
import Anthropic0 from 'anthropic-sdk-0';

import { Router, key } from './fakes/router.js';
import { Upstream, json } from './fakes/upstream.js';

const ask = { model: 'claude', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };
const message = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude',
    content: [{ type: 'text', text: 'hello' }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: 3, output_tokens: 5 },
};
const event = (data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
const beginning =
    event({ type: 'message_start', message: { ...message, content: [], stop_reason: null } }) +
    event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }) +
    event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hel' } });
const end =
    event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'lo' } }) +
    event({ type: 'content_block_stop', index: 0 }) +
    event({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 5 } }) +
    event({ type: 'message_stop' });

let running = [];

async function serve(SDK, script) {
    const upstream = await Upstream.start(script);
    const router = await Router.start(upstream);
    running = [router, upstream];
    return { client: new SDK({ apiKey: key, authToken: null, baseURL: router.url, maxRetries: 0 }), router, upstream };
}

afterEach(async () => {
    for (const each of running) await each.stop();
    running = [];
});

// Older versions send x-api-key, newer ones Authorization: the upstream gets its own key in the same field.
const sdks = [
    { name: 'SDK 0', SDK: Anthropic0, field: 'x-api-key', value: 'sk-of-upstream-a-0123456789', other: 'authorization' },
    { name: 'SDK 1', SDK: Anthropic, field: 'authorization', value: 'Bearer sk-of-upstream-a-0123456789', other: 'x-api-key' },
];

for (const { name, SDK, field, value, other } of sdks) {
    test(`${name}: a message`, async () => {
        const { client, router, upstream } = await serve(SDK, json(message));
        const reply = await client.messages.create(ask);
        assert.equal(reply.content[0].text, 'hello');
        const { headers, url } = upstream.requests[0];
        assert.equal(url, '/v1/messages');
        assert.equal(headers[field], value);
        assert.equal(headers[other], undefined);
        assert.ok(headers['anthropic-version']);
        const [record] = router.records();
        assert.equal(record.response, 'hello');
        assert.equal(record.finish_reason, 'end_turn');
    });

    test(`${name}: a stream`, async () => {
        const { client, router } = await serve(SDK, (_, response) =>
            response.writeHead(200, { 'content-type': 'text/event-stream' }).end(beginning + end),
        );
        const stream = client.messages.stream(ask);
        const words = [];
        stream.on('text', (text) => words.push(text));
        assert.equal((await stream.finalMessage()).content[0].text, 'hello');
        assert.deepEqual(words, ['hel', 'lo']);
        const [record] = router.records();
        assert.equal(record.response, 'hello');
        assert.deepEqual([record.prompt_tokens, record.completion_tokens], [3, 5]);
    });

    test(`${name}: a stream that is cut raises`, async () => {
        const { client, router } = await serve(SDK, (request, response) => {
            response.writeHead(200, { 'content-type': 'text/event-stream' });
            response.write(beginning, () => request.socket.destroy());
        });
        await assert.rejects(client.messages.stream(ask).finalMessage(), (error) => {
            assert.ok(error instanceof SDK.APIError);
            assert.match(error.message, /broke off/);
            return true;
        });
        assert.equal((await router.lastRecord()).outcome, 'truncated');
    });

    test(`${name}: a wrong key`, async () => {
        const { client } = await serve(SDK, json(message));
        await assert.rejects(client.withOptions({ apiKey: 'wrong' }).messages.create(ask), (error) => {
            assert.ok(error instanceof SDK.PermissionDeniedError);
            assert.equal(error.error.error.type, 'permission_error');
            assert.equal(error.error.error.message, 'wrong authorization header');
            return true;
        });
    });
}

test('the models that an upstream lists are one page', async () => {
    const models = ['claude-a', 'claude-b'].map((id) => ({ id, type: 'model', display_name: `the ${id}`, created_at: '2026-01-01T00:00:00Z' }));
    const { client, upstream } = await serve(Anthropic, json({ data: models, has_more: false, first_id: 'claude-a', last_id: 'claude-b' }));
    const names = [];
    for await (const model of client.models.list()) names.push(model.display_name);
    assert.deepEqual(names, ['the claude-a', 'the claude-b']);
    assert.equal(upstream.requests.length, 1);
});
