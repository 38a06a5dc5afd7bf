import type { Command } from '../../grammar/index.ts';

export const completion: Command = {
  usage: 'bash|zsh|fish',
  args: { min: 1, max: 1 },
  flags: [],
  completes: ['nothing'],
  async run(context, _flags, [shell = '']) {
    const script = SCRIPTS[shell];
    if (script === undefined) throw new Error(`no completion for ${JSON.stringify(shell)}: choose bash, zsh or fish`);
    context.stdout.write(script);
    return 0;
  },
};

/** Each script hands the words so far to `fairway __complete`, which prints one candidate a line: word, tab, help. */
const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# fairway completion for bash; load it with: source <(fairway completion bash)
_fairway() {
  local cur line
  cur=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(fairway __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [ \${#COMPREPLY[@]} -eq 1 ] && [ "\${COMPREPLY[0]}" = ':files' ]; then
    COMPREPLY=()
    compopt -o default 2>/dev/null
    return
  fi
  COMPREPLY=($(compgen -W "\${COMPREPLY[*]}" -- "$cur"))
}
complete -F _fairway fairway
`,
  zsh: `#compdef fairway
# fairway completion for zsh; load it with: source <(fairway completion zsh)
_fairway() {
  local -a candidates
  local line
  while IFS= read -r line; do
    [[ $line == ':files' ]] && { _files; return }
    local word=\${line%%$'\\t'*}
    candidates+=("\${word//:/\\\\:}:\${line#*$'\\t'}")
  done < <(fairway __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe 'fairway' candidates
}
compdef _fairway fairway
`,
  fish: `# fairway completion for fish; load it with: fairway completion fish | source
function __fairway_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in (fairway __complete -- $words[2..-1] 2>/dev/null)
    if test "$line" = ':files'
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c fairway -f -a '(__fairway_complete)'
`,
};
