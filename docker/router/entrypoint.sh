#!/bin/sh
# Starts nginx, and ends it: requests under way are finished for up to ROUTECTL_DRAIN_SECONDS (1.5) before the rest is cut.
# SIGHUP reloads. (nginx's worker_shutdown_timeout would cut streams on every reload too.)
set -eu

fail() {
  echo "router: $1" >&2
  exit 2
}

workers=${ROUTECTL_WORKERS:-2}
case $workers in
  '' | 0* | *[!0-9]* | ????*) fail "ROUTECTL_WORKERS must be a number of workers, 1 to 999" ;;
esac
drain_seconds=${ROUTECTL_DRAIN_SECONDS:-1.5}
case $drain_seconds in
  '' | .* | *. | *[!0-9.]* | *.*.*) fail "ROUTECTL_DRAIN_SECONDS must be seconds, such as 1.5" ;;
esac
case ${ROUTECTL_DEBUG_HEADERS:-off} in
  on) location='include /etc/nginx/routectl/debug-header.conf;' ;;
  off) location= ;;
  *) fail "ROUTECTL_DEBUG_HEADERS must be on or off" ;;
esac

# nginx asks the name servers itself. An ipconfig that was started anew may have another address within seconds.
servers=
while read -r keyword server _ || [ -n "$keyword" ]; do
  [ "$keyword" = nameserver ] || continue
  case $server in
    *[!0-9a-fA-F.:]*) ;;
    *:*) servers="$servers [$server]" ;;
    *) servers="$servers $server" ;;
  esac
done < /etc/resolv.conf
mkdir -p /run/routectl/temp
echo "$location" > /run/routectl/location.conf
if [ -n "$servers" ]; then
  printf 'resolver%s valid=1s;\nresolver_timeout 1s;\n' "$servers" > /run/routectl/resolver.conf
else
  : > /run/routectl/resolver.conf
fi

binary=$(command -v openresty || command -v nginx)
"$binary" -p /run/routectl -c /etc/nginx/nginx.conf -g "daemon off; worker_processes $workers;" &
nginx=$!

end() {
  kill -QUIT "$nginx" 2> /dev/null || true
  (sleep "$drain_seconds" && kill -TERM "$nginx" 2> /dev/null) &
}
trap end TERM QUIT INT
trap 'kill -HUP "$nginx"' HUP

# A signal ends the wait, not nginx.
while :; do
  status=0
  wait "$nginx" || status=$?
  kill -0 "$nginx" 2> /dev/null || exit "$status"
done
