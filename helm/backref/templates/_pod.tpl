{{/* The pod, whatever replaces it. */}}
{{- define "backref.pod" -}}
metadata:
  labels:
    {{- include "backref.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/settings: {{ include "backref.settings" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "backref.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add (include "backref.drainDelay" . | int) .Values.drain.timeoutSeconds 10 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: backref
      image: {{ include "backref.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve]
      env:
        # For commands too: kubectl exec … -- backref doctor
        - name: BACKREF_CONFIG
          value: /etc/backref/settings/backref.toml
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: {{ include "backref.scheme" . }}
          containerPort: {{ include "backref.port" . }}
        - name: admin
          containerPort: {{ include "backref.adminPort" . }}
      startupProbe:
        httpGet: {path: /livez, port: admin}
        periodSeconds: 1
        failureThreshold: 30
      livenessProbe:
        httpGet: {path: /livez, port: admin}
        periodSeconds: 10
        timeoutSeconds: 3
      readinessProbe:
        httpGet: {path: /readyz, port: admin}
        periodSeconds: 2
        timeoutSeconds: 2
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- include "backref.securityContext" . | nindent 8 }}
      volumeMounts:
        - name: settings
          mountPath: /etc/backref/settings
          readOnly: true
        {{- if eq .Values.store.type "sqlite" }}
        - name: data
          mountPath: /var/lib/backref
        {{- end }}
        {{- if .Values.upstream.caSecret.name }}
        - name: upstream-ca
          mountPath: /etc/backref/upstream-ca
          readOnly: true
        {{- end }}
        {{- if .Values.upstream.certificateSecret }}
        - name: upstream-certificate
          mountPath: /etc/backref/upstream-certificate
          readOnly: true
        {{- end }}
        {{- if .Values.tls.existingSecret }}
        - name: tls
          mountPath: /etc/backref/tls
          readOnly: true
        {{- end }}
        {{- if .Values.tls.clientCaSecret.name }}
        - name: client-ca
          mountPath: /etc/backref/client-ca
          readOnly: true
        {{- end }}
        {{- if .Values.page.tokenSecret.name }}
        - name: page
          mountPath: /etc/backref/page
          readOnly: true
        {{- end }}
        {{- if eq .Values.store.type "postgres" }}
        {{- if .Values.store.postgres.existingSecret }}
        - name: postgres
          mountPath: /etc/backref/postgres
          readOnly: true
        {{- end }}
        {{- if .Values.store.postgres.caSecret.name }}
        - name: postgres-ca
          mountPath: /etc/backref/postgres-ca
          readOnly: true
        {{- end }}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: settings
      configMap:
        name: {{ include "backref.fullname" . }}
    {{- if eq .Values.store.type "sqlite" }}
    {{- if not .Values.store.sqlite.persistence }}
    - name: data
      emptyDir: {}
    {{- else if .Values.store.sqlite.existingClaim }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ .Values.store.sqlite.existingClaim }}
    {{- end }}
    {{- end }}
    {{- with .Values.upstream.caSecret.name }}
    - name: upstream-ca
      secret:
        secretName: {{ . }}
    {{- end }}
    {{- with .Values.upstream.certificateSecret }}
    - name: upstream-certificate
      secret:
        secretName: {{ . }}
        defaultMode: 0440
    {{- end }}
    {{- with .Values.tls.existingSecret }}
    - name: tls
      secret:
        secretName: {{ . }}
        defaultMode: 0440
    {{- end }}
    {{- with .Values.tls.clientCaSecret.name }}
    - name: client-ca
      secret:
        secretName: {{ . }}
    {{- end }}
    {{- with .Values.page.tokenSecret.name }}
    - name: page
      secret:
        secretName: {{ . }}
        defaultMode: 0440
    {{- end }}
    {{- if eq .Values.store.type "postgres" }}
    {{- with .Values.store.postgres.existingSecret }}
    - name: postgres
      secret:
        secretName: {{ . }}
        defaultMode: 0440
    {{- end }}
    {{- with .Values.store.postgres.caSecret.name }}
    - name: postgres-ca
      secret:
        secretName: {{ . }}
    {{- end }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if .Values.topologySpreadConstraints }}
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "backref.selector" $ | nindent 10 }}
    {{- end }}
    {{- end }}
{{- end -}}
