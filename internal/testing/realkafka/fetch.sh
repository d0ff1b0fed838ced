#!/bin/sh
# Fetches the jars of a real Kafka (44 MB) into $LEVADA_KAFKA_LIBS, by default
# .cache/kafka/libs of this repository. Does nothing where they are there already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
libs=${LEVADA_KAFKA_LIBS:-$here/../../../.cache/kafka/libs}
if [ -f "$libs/.complete" ] && cmp -s "$here/pom.xml" "$libs/.complete"; then
    exit 0
fi
if ! command -v mvn >/dev/null; then
    echo "realkafka: mvn is not installed; install Maven (and Java 17), or set LEVADA_KAFKA_LIBS to a folder with Kafka's jars" >&2
    exit 1
fi
mkdir -p "$libs"
libs=$(cd "$libs" && pwd)
rm -f "$libs/.complete"
# A copy of the pom: Maven must not leave anything beside it.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/pom.xml" "$work/"
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$libs"
cp "$here/pom.xml" "$libs/.complete"
