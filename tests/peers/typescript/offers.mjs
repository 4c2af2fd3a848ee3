// What each official TypeScript client must see of the resources, templates, prompts and
// completions of `examples/everything`.

import assert from 'node:assert/strict';

import { rejection } from './helpers.mjs';

const names = (entries) => entries.map(({ name }) => name);

export const OFFERS = {
  'lists resources': async ({ client }) => {
    const { resources, nextCursor } = await client.listResources();
    assert.equal(nextCursor, undefined);
    const uris = resources.map(({ uri }) => uri);
    for (const uri of ['test://static-text', 'test://static-binary', 'test://watched-resource']) {
      assert.ok(uris.includes(uri), uri);
    }
  },
  'lists templates of resources': async ({ client }) => {
    const { resourceTemplates } = await client.listResourceTemplates();
    assert.ok(resourceTemplates.some(({ uriTemplate }) => uriTemplate === 'test://template/{id}/data'));
  },
  'lists prompts with their arguments': async ({ client }) => {
    const { prompts } = await client.listPrompts();
    assert.ok(names(prompts).includes('test_simple_prompt'));
    const two = prompts.find(({ name }) => name === 'test_prompt_with_arguments');
    assert.deepEqual(names(two.arguments), ['arg1', 'arg2']);
    assert.ok(two.arguments.every(({ required }) => required));
  },

  'reads a text, bytes and a template': async ({ client }) => {
    const read = async (uri) => (await client.readResource({ uri })).contents[0];
    const text = await read('test://static-text');
    assert.equal(text.uri, 'test://static-text');
    assert.match(text.text, /content of the static text resource/);
    const bytes = await read('test://static-binary');
    assert.equal(bytes.mimeType, 'image/png');
    assert.equal(Buffer.from(bytes.blob, 'base64').subarray(1, 4).toString(), 'PNG');
    const data = await read('test://template/K%C3%A4se/data');
    assert.equal(JSON.parse(data.text).id, 'Käse');
  },
  'gets an unknown resource as an error': async ({ client }, { unknownResource }) => {
    const error = await rejection(client.readResource({ uri: 'test://nowhere' }));
    assert.equal(error.code, unknownResource);
  },

  'gets prompts': async ({ client }) => {
    const get = async (name, args) => (await client.getPrompt({ name, arguments: args })).messages;
    const [simple] = await get('test_simple_prompt');
    assert.deepEqual(simple.content, { type: 'text', text: 'This is a simple prompt for testing.' });
    const [two] = await get('test_prompt_with_arguments', { arg1: 'ä', arg2: 'b' });
    assert.equal(two.content.text, "Prompt with arguments: arg1='ä', arg2='b'");
    const [embedded] = await get('test_prompt_with_embedded_resource', { resourceUri: 'test://x' });
    assert.equal(embedded.content.resource.uri, 'test://x');
    const [picture] = await get('test_prompt_with_image');
    assert.equal(picture.content.type, 'image');
  },
  'gets a prompt without its arguments as error -32602': async ({ client }) => {
    const error = await rejection(client.getPrompt({ name: 'test_prompt_with_arguments', arguments: {} }));
    assert.equal(error.code, -32602);
  },
  'completes an argument': async ({ client }) => {
    const { completion } = await client.complete({
      ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' },
      argument: { name: 'arg1', value: 'test' },
    });
    assert.deepEqual(completion.values, ['testing', 'test value']);
  },
};
