#!/bin/sh
# The `hookfold` command on the host of the systemd unit: with the service's configuration, secrets and database.
# Install it as /usr/local/bin/hookfold. It needs root, who alone may read /etc/hookfold/secrets, and asks sudo for it.
# The files that it makes belong to the service's user, so that the service can use them. This user may read neither
# the caller's folders nor /var/lib/private, where systemd keeps the state: CAP_DAC_OVERRIDE allows both.
set -eu

[ "$(id -u)" = 0 ] || exec sudo "$0" "$@"

state=/var/lib/hookfold
secrets=/etc/hookfold/secrets
export HOOKFOLD_CONFIG=/etc/hookfold/hookfold.toml
export HOOKFOLD_DATABASE_URL=sqlite:////var/lib/hookfold/hookfold.db
# Code that root runs must not come from files that the service's user owns.
export PYTHONDONTWRITEBYTECODE=1

# As systemd reads an EnvironmentFile: unlike in a shell, `$`, `&` and `;` in a value stand for themselves.
take() {
    while IFS= read -r line || [ -n "$line" ]; do
        line=$(printf %s "$line" | sed 's/^[[:space:]]*//; s/[[:space:]]*$//')
        name=${line%%=*}
        value=${line#*=}
        case $name in
            "$line" | '' | [0-9]* | *[!A-Za-z0-9_]*) continue ;;
        esac
        case $value in
            \'*\') value=${value#?} value=${value%?} ;;
            \"*\") value=$(printf %s "$value" | sed 's/^"//; s/"$//; s/\\\(["$`\\]\)/\1/g') ;;
            *) value=$(printf %s "$value" | sed 's/\\\(.\)/\1/g') ;;
        esac
        export "$name=$value"
    done
}

[ ! -e "$secrets" ] || take <"$secrets"
if [ ! -d "$state/" ]; then
    echo "Error: there is no $state: the first start of the service makes it (systemctl start hookfold)" >&2
    exit 2
fi
exec setpriv --reuid="$(stat -L -c %u "$state")" --regid="$(stat -L -c %g "$state")" --clear-groups \
    --inh-caps=+dac_override --ambient-caps=+dac_override /opt/hookfold/.venv/bin/hookfold "$@"
