# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a clone does not keep of its source: the identity itself, always, and by category the traces that work has left there.

The one table of it: the script in the container, the documentation and the choices of the option `scrub` come from here.

A rule is a verb and a path. `~/` stands for the home of root and of every user. `*` and `?` match as in a shell, and no name that begins
with a dot. The verbs:

- remove: a file or a directory with all in it
- clear: what is in a directory, not the directory itself
- empty: the files in a directory get the length 0, for their programs expect them to be there; rotated ones go
- private: a file goes when it holds a private key, or is a socket
- tokens: the lines of a package manager's settings that hold a token or a password go
- account: the login goes out of the settings of Claude Code, which are one JSON file
- strangers: of the keys that may log in only the one stays that ssh_access has put there
"""

from __future__ import annotations

from dataclasses import dataclass

VERBS = ("remove", "clear", "empty", "private", "tokens", "account", "strangers")


@dataclass(frozen=True)
class Category:
    """What may be kept or not as one; `what` completes the sentence "a clone does not keep ..."."""

    what: str
    rules: tuple[str, ...]


def _remove(*paths: str) -> tuple[str, ...]:
    return tuple(f"remove {path}" for path in paths)


# Two containers with one of these would be taken for one another: by DHCP servers, by SSH, by whoever they log in to.
IDENTITY: tuple[str, ...] = _remove(
    "/etc/ssh/ssh_host_*",
    # Address leases, and what DHCP clients call themselves.
    "/var/lib/dhcp/*",
    "/var/lib/dhclient/*",
    "/var/lib/dhcpcd/*",
    "/var/db/dhcpcd/*",
    "/etc/dhcpcd.duid",
    "/etc/dhcpcd.secret",
    "/var/lib/systemd/network/*",
    "/var/lib/NetworkManager/*",
    # Where random numbers begin, and the key that secrets are sealed with.
    "/var/lib/systemd/random-seed",
    "/var/lib/urandom/random-seed",
    "/var/lib/misc/random-seed",
    "/var/lib/seedrng/*",
    "/var/lib/systemd/credential.secret",
)

CATEGORIES: dict[str, Category] = {
    "history": Category(
        "what was typed and said: histories of shells, interpreters, editors and database clients, conversations of agents",
        _remove(
            "~/.bash_history",
            "~/.zsh_history",
            "~/.zhistory",
            "~/.histfile",
            "~/.sh_history",
            "~/.ash_history",
            "~/.ksh_history",
            "~/.local/share/fish/fish_history",
            "~/.config/nushell/history.*",
            "~/.local/share/atuin/history.db*",
            "~/.python_history",
            "~/.local/state/python_history",
            "~/.ipython/profile_*/history.sqlite*",
            "~/.node_repl_history",
            "~/.ts_node_repl_history",
            "~/.bun_repl_history",
            "~/.deno_history",
            "~/.irb_history",
            "~/.local/share/irb/irb_history",
            "~/.pry_history",
            "~/.php_history",
            "~/.Rhistory",
            "~/.julia/logs/repl_history.jl",
            "~/.cache/erlang-history",
            "~/.gdb_history",
            "~/.lldb/*-history",
            "~/.lesshst",
            "~/.local/state/lesshst",
            "~/.viminfo",
            "~/.vim/.netrwhist",
            "~/.local/state/nvim/shada",
            "~/.local/state/vim/viminfo",
            "~/.local/share/nano/search_history",
            "~/.psql_history",
            "~/.mysql_history",
            "~/.mariadb_history",
            "~/.sqlite_history",
            "~/.rediscli_history",
            "~/.mongodb/mongosh",
            "~/.wget-hsts",
            "~/.claude/history.jsonl",
            "~/.claude/projects/*/*.jsonl",
            "~/.claude/projects/*/????????-????-????-????-????????????",
            "~/.claude/file-history",
            "~/.claude/paste-cache",
            "~/.claude/image-cache",
            "~/.claude/sessions",
            "~/.claude/session-env",
            "~/.claude/shell-snapshots",
            "~/.claude/tasks",
            "~/.claude/todos",
            "~/.codex/history.jsonl",
            "~/.codex/session_index.jsonl",
            "~/.codex/sessions",
            "~/.codex/archived_sessions",
            "~/.codex/*.sqlite*",
            "~/.copilot/session-state",
            "~/.copilot/history-session-state",
            "~/.copilot/command-history-state.json",
            "~/.cursor/chats",
            "~/.cursor/prompt_history.json",
            "~/.gemini/tmp",
            "~/.gemini/history",
            "~/.qwen/tmp",
            "~/.local/share/opencode/opencode.db*",
            "~/.local/share/opencode/storage",
            "~/.local/share/opencode/snapshot",
            "~/.local/state/opencode/prompt-history.jsonl",
            "~/.local/share/amp/history.jsonl",
            "~/.local/share/amp/threads",
            "~/.local/share/goose/sessions",
            "~/.pi/agent/sessions",
            "~/.aider.input.history",
            "~/.aider.chat.history.md",
        ),
    ),
    "logins": Category(
        "whom the source was logged in as: agents, forges, package registries, clouds",
        (
            *_remove(
                "~/.claude/.credentials.json",
                "~/.config/claude/.credentials.json",
                "~/.codex/auth.json",
                "~/.codex/.credentials.json",
                "~/.local/share/opencode/auth.json",
                "~/.local/share/opencode/mcp-auth.json",
                "~/.gemini/oauth_creds.json",
                "~/.gemini/google_accounts.json",
                "~/.gemini/mcp-oauth-tokens*.json",
                "~/.gemini/gemini-credentials.json",
                "~/.qwen/oauth_creds.json",
                "~/.copilot/config.json",
                "~/.copilot/mcp-oauth-config",
                "~/.config/github-copilot",
                "~/.config/cursor/auth.json",
                "~/.local/share/amp/secrets.json",
                "~/.config/goose/secrets.yaml",
                "~/.local/share/crush/crush.json",
                "~/.pi/agent/auth.json",
                "~/.factory/auth.*",
                "~/.local/share/kiro-cli",
                "~/.local/share/amazon-q",
                "~/.aider/oauth-keys.env",
                "~/.config/io.datasette.llm/keys.json",
                "~/.mcp-auth",
                "~/.cache/huggingface/token",
                "~/.cache/huggingface/stored_tokens",
                "~/.netrc",
                "~/.git-credentials",
                "~/.config/git/credentials",
                "~/.cache/git/credential",
                "~/.git-credential-cache",
                "~/.config/gh/hosts.yml",
                "~/.config/glab-cli/config.yml",
                "~/.config/tea/config.yml",
                "~/.pypirc",
                "~/.config/pypoetry/auth.toml",
                "~/.local/share/uv/credentials",
                "~/.cargo/credentials",
                "~/.cargo/credentials.toml",
                "~/.gem/credentials",
                "~/.local/share/gem/credentials",
                "~/.composer/auth.json",
                "~/.config/composer/auth.json",
                "~/.config/pnpm/auth.ini",
                "~/.hex/hex.config",
                "~/.docker/config.json",
                "~/.config/containers/auth.json",
                "~/.config/helm/registry/config.json",
                "~/.kube/config",
                "~/.kube/cache",
                "~/.aws/credentials",
                "~/.aws/sso/cache",
                "~/.aws/cli/cache",
                "~/.aws/login",
                "~/.config/gcloud",
                "~/.azure",
                "~/.oci",
                "~/.boto",
                "~/.s3cfg",
                "~/.config/rclone/rclone.conf",
                "~/.config/doctl/config.yaml",
                "~/.config/hcloud/cli.toml",
                "~/.fly/config.yml",
                "~/.local/share/com.vercel.cli/auth.json",
                "~/.config/netlify/config.json",
                "~/.config/.wrangler/config",
                "~/.wrangler/config",
                "~/.cloudflared",
                "~/.supabase/access-token",
                "~/.railway/config.json",
                "~/.config/stripe/config.toml",
                "~/.config/ngrok/ngrok.yml",
                "~/.terraform.d/credentials.tfrc.json",
                "~/.vault-token",
                "~/.config/op",
                "~/.config/Bitwarden CLI",
                "~/.local/share/keyrings",
                "~/.vscode/cli/token.json",
                "~/.pgpass",
                "~/.my.cnf",
                "~/.mylogin.cnf",
            ),
            "account ~/.claude.json",
            "account ~/.claude/.claude.json",
            "remove ~/.claude.json.backup*",
            "remove ~/.claude/backups",
            "tokens ~/.npmrc",
            "tokens ~/.yarnrc",
            "tokens ~/.yarnrc.yml",
            "tokens ~/.config/pnpm/rc",
            "tokens /etc/npmrc",
            "tokens /usr/etc/npmrc",
            "tokens /usr/local/etc/npmrc",
        ),
    ),
    "keys": Category(
        "private keys, and who may log in: of the SSH keys that are let in only the one stays that pixels.sandbox.ssh_access put there",
        (
            "strangers ~/.ssh/authorized_keys",
            "strangers ~/.ssh/authorized_keys2",
            "private ~/.ssh/*",
            *_remove(
                "~/.ssh/id_*",
                "~/.ssh/*.pem",
                "~/.ssh/known_hosts",
                "~/.ssh/known_hosts.old",
                "~/.ssh/environment",
                "~/.ssh/agent",
                "~/.gnupg/private-keys-v1.d",
                "~/.gnupg/secring.gpg",
                "~/.gnupg/S.*",
                "~/.config/sops/age/keys.txt",
                "~/.minisign",
                "/etc/wireguard/*",
                "/var/lib/tailscale/*",
                "/var/lib/zerotier-one/identity.*",
            ),
        ),
    ),
    "logs": Category(
        "what was recorded: the journal, logins, log files (which are emptied), crash dumps",
        (
            "clear /var/log/journal",
            "empty /var/log",
            *_remove("/var/lib/systemd/coredump/*", "/var/crash/*"),
            "remove ~/.npm/_logs",
            "remove ~/.claude/debug",
            "remove ~/.claude/telemetry",
            "remove ~/.claude/statsig",
            "remove ~/.codex/log",
            "remove ~/.copilot/logs",
            "remove ~/.cursor/logs",
            "remove ~/.local/share/opencode/log",
            "remove ~/.local/state/goose/logs",
            "remove ~/.cache/amp/logs",
        ),
    ),
    "temporary": Category(
        "temporary files, and downloaded packages",
        (
            "clear /tmp",
            "clear /var/tmp",
            "remove /var/cache/apt/archives/*.deb",
            "clear /var/cache/apt/archives/partial",
            "clear /var/cache/dnf",
            "clear /var/cache/apk",
        ),
    ),
}


def identity_rules() -> str:
    """One a line, with the category `identity` in front."""
    return "\n".join(f"identity {rule}" for rule in IDENTITY)


def category_rules() -> str:
    """One a line, with its category in front."""
    return "\n".join(f"{name} {rule}" for name, category in CATEGORIES.items() for rule in category.rules)
