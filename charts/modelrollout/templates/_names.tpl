{{- define "modelrollout.name" -}}
{{- $base := default .Chart.Name .Values.nameOverride -}}
{{- if contains $base .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $base | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "modelrollout.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "modelrollout.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name an account that exists, or set serviceAccount.create" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "modelrollout.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- with .Values.image.digest -}}@{{ . }}{{- end -}}
{{- end }}

{{- define "modelrollout.selector" -}}
app.kubernetes.io/name: modelrollout-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "modelrollout.labels" -}}
{{ include "modelrollout.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: modelrollout
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "modelrollout.leaderRules" -}}
{{- $table := .Files.Get "files/rbac.yaml" | fromYaml -}}
{{- $_ := set (index $table.leader 0) "resourceNames" (list (include "modelrollout.name" .)) -}}
{{- toYaml $table.leader -}}
{{- end }}

{{- define "modelrollout.rules" -}}
{{- $table := .Files.Get "files/rbac.yaml" | fromYaml -}}
{{- toYaml (eq .Values.scrape.via "proxy" | ternary (concat $table.always $table.proxy) $table.always) -}}
{{- end }}
