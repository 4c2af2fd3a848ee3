#!/bin/sh
# Calls the first tools of an everything server. Usage: smoke.sh [URL]
set -eu
url=${1:-http://127.0.0.1:8080/mcp}
everything=${EVERYTHING:-target/release/examples/everything}
for tool in test_simple_text test_image_content test_embedded_resource; do
    "$everything" call "$url" "$tool"
done
"$everything" call "$url" add a=2 b=3
