// What a person is asked before the configuration of a project holds: it may come with
// a repository that somebody else wrote. The answer is the digest of what was shown, so
// that it holds for nothing else.
import { Problem } from './problem.js'

const NO = 'no'
const KEY = 'confirm'

/**
 * @param {import('./types.js').ToConfirm | undefined} asked
 * @returns {import('./types.js').SelectPrompt[] | undefined} none if there is nothing to confirm
 */
export function questions(asked) {
  if (!asked) return undefined
  return [
    {
      type: 'select',
      key: KEY,
      // A line each: where one is too long, the dialog breaks it and cuts nothing off.
      message: `Trust this project's configuration?\nIt signs you in at\n${asked.domain}\nand sends your tokens to\n${asked.endpoint}`,
      options: [
        { label: 'No', value: NO, hint: asked.path },
        { label: 'Yes', value: asked.digest },
      ],
    },
  ]
}

/**
 * What connect is told of the answer.
 * @param {Record<string, string>} [answers]
 */
export function confirmed(answers) {
  const answer = answers?.[KEY]
  if (answer === NO) {
    throw new Problem('untrusted', "The project's configuration was not confirmed: nothing was sent to anybody.", 'If you do not know why it is there, remove it.')
  }
  return answer ? { confirm: answer } : {}
}
