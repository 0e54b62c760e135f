// An upstream whose replies a test scripts. It keeps the requests it was sent.
import { once } from 'node:events';
import { createServer } from 'node:http';

export class Upstream {
    // `script(request, response)` answers; request.body is whole.
    static async start(script) {
        const upstream = new Upstream();
        upstream.requests = [];
        upstream.server = createServer(async (request, response) => {
            const pieces = [];
            for await (const piece of request) pieces.push(piece);
            request.body = Buffer.concat(pieces);
            upstream.requests.push(request);
            upstream.server.emit('served');
            await script(request, response);
        });
        upstream.server.listen(0, '127.0.0.1');
        await once(upstream.server, 'listening');
        upstream.url = `http://127.0.0.1:${upstream.server.address().port}/v1`;
        return upstream;
    }

    stop() {
        this.server.closeAllConnections();
        this.server.close();
    }
}

export const json = (body, status = 200, headers = {}) => (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

export const sse = (data) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

export const chunk = (content, finish_reason = null) => ({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'gpt-4o',
    choices: [{ index: 0, delta: { content }, finish_reason }],
});

export const completion = {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-4o',
    choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 },
};
