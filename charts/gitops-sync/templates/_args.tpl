{{/* The arguments of the program. A pod's spec takes $(NAME) for a variable unless the dollar stands twice. */}}
{{- define "gitops-sync.args" -}}
{{- $args := list "run" -}}
{{- if .Values.app.repo -}}
{{- $args = concat $args (include "gitops-sync.appArgs" . | fromJsonArray) -}}
{{- else -}}
{{- $args = concat $args (include "gitops-sync.manyArgs" . | fromJsonArray) -}}
{{- end -}}
{{- with include "gitops-sync.namespaces" . | fromJsonArray -}}
{{- $args = append $args (printf "--namespaces=%s" (join "," .)) -}}
{{- end -}}
{{- if include "gitops-sync.elects" . }}{{ $args = append $args "--leader-elect" }}{{ end -}}
{{- if .Values.shards }}{{ $args = append $args "--shards" }}{{ end -}}
{{- $args = append $args (printf "--listen=%s" .Values.listen) -}}
{{- if .Values.api }}{{ $args = append $args "--api" }}{{ end -}}
{{- with .Values.webhook -}}
{{- if .secretName }}{{ $args = append $args (printf "--webhook-secret-file=/etc/gitops-sync/webhook/%s" .secretKey) }}{{ end -}}
{{- end -}}
{{- $flags := dict "sweep" .Values.sweep "request-timeout" .Values.requestTimeout "fetch-timeout" .Values.fetchTimeout -}}
{{- $args = concat $args (include "gitops-sync.flags" $flags | fromJsonArray) -}}
{{- $args = append $args (printf "--log-format=%s" .Values.logFormat) -}}
{{- range concat $args .Values.extraArgs }}
- {{ replace "$(" "$$(" . | quote }}
{{- end }}
{{- end }}

{{/* Of one app. */}}
{{- define "gitops-sync.appArgs" -}}
{{- $app := .Values.app -}}
{{- $namespaces := include "gitops-sync.namespaces" . | fromJsonArray -}}
{{- $target := $app.targetNamespace | default (first $namespaces) | default "default" -}}
{{- $flags := dict
  "repo" $app.repo
  "branch" $app.branch
  "path" $app.path
  "git-submodules" $app.submodules
  "name" ($app.name | default .Release.Name)
  "interval" $app.interval
  "target-namespace" $target
  "prune-max-objects" $app.pruneMaxObjects
  "prune-max-percent" $app.pruneMaxPercent
  "protect-kinds" (join "," $app.protectKinds)
  "drift" $app.drift
  "additions" $app.additions
  "conflicts" $app.conflicts
  "parallel" $app.parallel
  "prune" $app.prune
  "allow-empty" $app.allowEmpty
  "atomic" $app.atomic
  "verify" $app.verify.mode
  "no-rollback" $app.verify.noRollback
  "replace" $app.replace -}}
{{- if $app.verify.secretName -}}
{{- $_ := set $flags "verify-keys" "/etc/gitops-sync/verify" -}}
{{- end -}}
{{- if $app.credentials.secretName -}}
{{- with $app.credentials.passwordKey -}}
{{- $_ := set $flags "git-password-file" (printf "/etc/gitops-sync/git/%s" .) -}}
{{- end -}}
{{- range $what, $key := $app.credentials.files -}}
{{- $_ := set $flags (printf "git-%s-file" $what) (printf "/etc/gitops-sync/git/%s" $key) -}}
{{- end -}}
{{- end -}}
{{ include "gitops-sync.flags" $flags }}
{{- end }}

{{/* Of many apps. */}}
{{- define "gitops-sync.manyArgs" -}}
{{- $tenancy := .Values.tenancy -}}
{{- include "gitops-sync.flags" (dict
  "watch-apps" true
  "watch-label-selector" .Values.watchLabelSelector
  "default-service-account" $tenancy.defaultServiceAccount
  "allow-cross-namespace-refs" $tenancy.allowCrossNamespaceRefs
  "allowed-repos" (join "," $tenancy.allowedRepos)) }}
{{- end }}

{{/* Flags that are set, as a JSON list: neither empty texts nor false, but numbers that are zero. */}}
{{- define "gitops-sync.flags" -}}
{{- $args := list -}}
{{- range $name, $value := . -}}
{{- if kindIs "bool" $value -}}
{{- if $value }}{{ $args = append $args (printf "--%s" $name) }}{{ end -}}
{{- else if and (not (kindIs "invalid" $value)) (ne (toString $value) "") -}}
{{- $args = append $args (printf "--%s=%s" $name (toString $value)) -}}
{{- end -}}
{{- end -}}
{{ toJson $args }}
{{- end }}
