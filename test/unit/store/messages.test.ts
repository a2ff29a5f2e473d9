import { expect, test } from 'vitest';
import { historyMessages } from '../../../src/store/file-messages.ts';
import { createHistory } from '../../../src/store/history.ts';

test('what a rewritten file says of its history is what was known when it began: what comes while the file is opened is added behind it', () => {
  const history = createHistory([], 1);
  const put = (key: string, revision: number) =>
    history.add({
      revision,
      changes: [{ type: 'put', key, revision, value: new Uint8Array([1]), createRevision: revision }],
    });
  put('/a', 2);
  const messages = historyMessages(history);
  put('/b', 3);
  const commits = [...messages].flatMap((message) => (message.type === 'commits' ? message.commits : []));
  expect(commits.map(({ revision }) => revision)).toEqual([2]);
});
