{{/* The chart's name. */}}
{{- define "backref.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The release's name, and the chart's where that isn't in it. */}}
{{- define "backref.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "backref.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What pods are found by. */}}
{{- define "backref.selector" -}}
app.kubernetes.io/name: {{ include "backref.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What everything is labelled by. */}}
{{- define "backref.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "backref.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "backref.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "backref.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "backref.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Where backref listens, in one place for probes, Services, policies and monitors. */}}
{{- define "backref.port" -}}5080{{- end -}}
{{- define "backref.adminPort" -}}5081{{- end -}}

{{/* What is spoken there. */}}
{{- define "backref.scheme" -}}{{ ternary "https" "http" (ne .Values.tls.existingSecret "") }}{{- end -}}

{{/* For how long an ending pod takes connections: there is somebody else to go to with PostgreSQL alone. */}}
{{- define "backref.drainDelay" -}}
{{- ternary 0 (int .Values.drain.delaySeconds) (eq .Values.store.type "sqlite") -}}
{{- end -}}

{{/* The store's URL, as the settings have it. */}}
{{- define "backref.storeUrl" -}}
{{- if eq .Values.store.type "sqlite" -}}
sqlite:/var/lib/backref/backref.db
{{- else -}}
{{- $url := .Values.store.postgres.url -}}
{{- if .Values.store.postgres.caSecret.name -}}
{{- $url = printf "%s%ssslmode=verify-full&sslrootcert=/etc/backref/postgres-ca/%s" $url (ternary "&" "?" (contains "?" $url)) .Values.store.postgres.caSecret.key -}}
{{- end -}}
{{- $url -}}
{{- end -}}
{{- end -}}

{{/* The settings file. */}}
{{- define "backref.settings" -}}
{{- $settings := deepCopy .Values.config -}}
{{- $_ := set $settings "listen" (printf "%s:%s" .Values.listenAddress (include "backref.port" .)) -}}
{{- $admin := dict "listen" (printf "%s:%s" .Values.listenAddress (include "backref.adminPort" .)) -}}
{{- if .Values.page.tokenSecret.name -}}
{{- $_ := set $admin "token_file" (printf "/etc/backref/page/%s" .Values.page.tokenSecret.key) -}}
{{- end -}}
{{- $_ := set $settings "admin" $admin -}}
{{- if .Values.upstream.url -}}
{{- $upstream := deepCopy (default dict $settings.upstream) -}}
{{- $_ := set $upstream "url" .Values.upstream.url -}}
{{- with .Values.upstream.name -}}{{- $_ := set $upstream "name" . -}}{{- end -}}
{{- if .Values.upstream.caSecret.name -}}
{{- $_ := set $upstream "ca_file" (printf "/etc/backref/upstream-ca/%s" .Values.upstream.caSecret.key) -}}
{{- end -}}
{{- if .Values.upstream.certificateSecret -}}
{{- $_ := set $upstream "certificate" "/etc/backref/upstream-certificate/tls.crt" -}}
{{- $_ := set $upstream "key" "/etc/backref/upstream-certificate/tls.key" -}}
{{- end -}}
{{- $_ := set $settings "upstream" $upstream -}}
{{- end -}}
{{- if .Values.tls.existingSecret -}}
{{- $tls := deepCopy (default dict $settings.tls) -}}
{{- $_ := set $tls "certificate" "/etc/backref/tls/tls.crt" -}}
{{- $_ := set $tls "key" "/etc/backref/tls/tls.key" -}}
{{- if .Values.tls.clientCaSecret.name -}}
{{- $_ := set $tls "client_ca" (printf "/etc/backref/client-ca/%s" .Values.tls.clientCaSecret.key) -}}
{{- end -}}
{{- $_ := set $settings "tls" $tls -}}
{{- end -}}
{{- $store := dict "url" (include "backref.storeUrl" .) -}}
{{- if eq .Values.store.type "postgres" -}}
{{- $_ := set $store "connections" (int .Values.store.postgres.connections) -}}
{{- if .Values.store.postgres.existingSecret -}}
{{- $_ := set $store "password_file" (printf "/etc/backref/postgres/%s" .Values.store.postgres.passwordKey) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $settings "store" $store -}}
{{- $limits := deepCopy (default dict $settings.limits) -}}
{{- $_ := set $limits "drain_delay" (printf "%ss" (include "backref.drainDelay" .)) -}}
{{- $_ := set $limits "drain_timeout" (printf "%ds" (int .Values.drain.timeoutSeconds)) -}}
{{- $_ := set $settings "limits" $limits -}}
{{- $log := deepCopy (default dict $settings.log) -}}
{{- if not (hasKey $log "format") -}}{{- $_ := set $log "format" "json" -}}{{- end -}}
{{- $_ := set $settings "log" $log -}}
{{- toToml $settings -}}
{{- end -}}

{{/* What no container here needs. */}}
{{- define "backref.securityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}
