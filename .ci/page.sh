#!/bin/sh
# The report as a browser shows it: pictures at desktop and phone widths, light and dark, and a look for errors of its
# script. Says so and ends well where no Chromium is.
#   .ci/page.sh [WAVETANK] [FOLDER]
set -eu
wavetank=${1:-target/debug/wavetank}
out=${2:-target/page}
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$chromium" ]; then
  echo "no Chromium here: contrast and labels are checked by the tests of report::html alone"
  exit 0
fi
mkdir -p "$out"
"$wavetank" run -q fixtures/seed --html "$out/page.html" > "$out/summary.txt"
"$wavetank" graph waits fixtures/stuck/12-two-that-wait-for-each-other.yaml -o svg --to "$out/waits.svg"
"$wavetank" graph ownership fixtures/seed -o svg --to "$out/ownership.svg"
shot() { # name width height page flags…
  name=$1 width=$2 height=$3 page=$4
  shift 4
  "$chromium" --headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=1 \
    --window-size="$width,$height" --virtual-time-budget=2000 --enable-logging=stderr "$@" \
    --screenshot="$out/$name.png" "file://$(realpath "$out")/$page" 2> "$out/$name.log" || true
  if grep -i "CONSOLE.*\(error\|uncaught\)" "$out/$name.log"; then
    echo "$name: the page's script fails"
    exit 1
  fi
}
shot desktop-light 1280 1400 page.html
shot desktop-dark 1280 1400 page.html --blink-settings=preferredColorScheme=0
shot phone-light 390 1600 page.html
shot phone-dark 390 1600 page.html --blink-settings=preferredColorScheme=0
shot waits 1800 260 waits.svg
shot ownership 1100 700 ownership.svg
ls "$out"/*.png
