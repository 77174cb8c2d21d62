#!/bin/bash
# Builds the image for large files and the Flex Template that names it.
#   PROJECT=p REGION=europe-west1 REPOSITORY=landfall TEMPLATE=gs://BUCKET/landfall.json infra/gcp/dataflow/build.sh
# REPOSITORY is one of Artifact Registry, in PROJECT and REGION. TEMPLATE is then the value of LANDFALL_DATAFLOW.
set -euo pipefail
cd "$(dirname "$0")/../../.."
: "${PROJECT:?}" "${REGION:?}" "${REPOSITORY:?}" "${TEMPLATE:?}"
if [ -n "$(git status --porcelain -- include requirements infra/gcp/dataflow)" ]; then
    echo "build.sh: include/, requirements/ or infra/gcp/dataflow/ hold what is not committed; the image is named after a commit" >&2
    exit 1
fi
name="$REGION-docker.pkg.dev/$PROJECT/$REPOSITORY/dataflow"
tag="$(git rev-parse --short=12 HEAD)"
gcloud builds submit . --project "$PROJECT" --region "$REGION" \
    --config infra/gcp/dataflow/cloudbuild.yaml --substitutions "_IMAGE=$name:$tag"
# By its digest: a tag that is moved must not give launcher and workers two engines.
digest="$(gcloud artifacts docker images describe "$name:$tag" --project "$PROJECT" --format 'value(image_summary.digest)')"
gcloud dataflow flex-template build "$TEMPLATE" --project "$PROJECT" \
    --image "$name@$digest" --sdk-language PYTHON --metadata-file infra/gcp/dataflow/metadata.json
