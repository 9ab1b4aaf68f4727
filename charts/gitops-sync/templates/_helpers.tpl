{{- define "gitops-sync.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "gitops-sync.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains (include "gitops-sync.name" .) .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "gitops-sync.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Before the names of what is not in the release's namespace: no other release has it. */}}
{{- define "gitops-sync.prefix" -}}
{{ include "gitops-sync.fullname" . }}:{{ .Release.Namespace }}
{{- end }}

{{- define "gitops-sync.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (include "gitops-sync.fullname" .) }}
{{- end }}

{{- define "gitops-sync.selectorLabels" -}}
app.kubernetes.io/name: {{ include "gitops-sync.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gitops-sync.labels" -}}
{{- with .Values.commonLabels }}{{ toYaml . }}
{{ end -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "gitops-sync.selectorLabels" . }}
{{- end }}

{{/* On what the daemon cannot do without: where it manages itself, it stays when it leaves git. */}}
{{- define "gitops-sync.kept" -}}
gitops-sync.dev/prune: keep
{{- end }}

{{- define "gitops-sync.subjects" -}}
- kind: ServiceAccount
  name: {{ include "gitops-sync.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "gitops-sync.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* The namespaces to work in, as a JSON list; an empty one means the whole cluster. */}}
{{- define "gitops-sync.namespaces" -}}
{{- $namespaces := .Values.namespaces -}}
{{- if and (not $namespaces) (kindIs "slice" .Values.rbac.managed) -}}
{{- range .Values.rbac.managed }}{{ $namespaces = append $namespaces .namespace }}{{ end -}}
{{- end -}}
{{ $namespaces | uniq | toJson }}
{{- end }}

{{- define "gitops-sync.port" -}}
{{ regexFind "[0-9]+$" .Values.listen }}
{{- end }}

{{/* Whether one of the pods leads. */}}
{{- define "gitops-sync.elects" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.shards) }}true{{ end }}
{{- end }}
