{{/*
backref beside a registry, in the registry's pod: a native sidecar (an init container that goes on), which starts before the
registry and ends after it. To be used by the registry's own chart, which has this one as a dependency with `gateway: false`:

  initContainers:
    {{- include "backref.sidecar" (dict "image" "backref:0.1.0" "upstream" "http://127.0.0.1:5000") | nindent 8 }}
  volumes:
    {{- include "backref.sidecar.volumes" (dict) | nindent 8 }}

  image     the container image
  upstream  the registry, as the pod sees it
  store     sqlite:/var/lib/backref/backref.db, or a PostgreSQL database
  claim     a PersistentVolumeClaim for the file; without one it is made anew from the registry's referrers tags
  env       more variables
The pod's port is 5080 (`http-backref`), health and metrics are on 5081.
*/}}
{{- define "backref.sidecar" -}}
- name: backref
  image: {{ required "backref.sidecar: give it an image" .image | quote }}
  restartPolicy: Always
  args: [serve]
  env:
    - name: BACKREF_UPSTREAM
      value: {{ required "backref.sidecar: give it an upstream" .upstream | quote }}
    - name: BACKREF_LISTEN
      value: "0.0.0.0:{{ include "backref.port" . }}"
    - name: BACKREF_ADMIN
      value: "0.0.0.0:{{ include "backref.adminPort" . }}"
    - name: BACKREF_STORE
      value: {{ default "sqlite:/var/lib/backref/backref.db" .store | quote }}
    - name: BACKREF_LOG_FORMAT
      value: json
    {{- with .env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - name: http-backref
      containerPort: {{ include "backref.port" . }}
    - name: admin-backref
      containerPort: {{ include "backref.adminPort" . }}
  startupProbe:
    httpGet: {path: /livez, port: admin-backref}
    periodSeconds: 1
    failureThreshold: 30
  livenessProbe:
    httpGet: {path: /livez, port: admin-backref}
    periodSeconds: 10
    timeoutSeconds: 3
  readinessProbe:
    httpGet: {path: /readyz, port: admin-backref}
    periodSeconds: 2
    timeoutSeconds: 2
  securityContext:
    {{- include "backref.securityContext" . | nindent 4 }}
  volumeMounts:
    - name: backref-data
      mountPath: /var/lib/backref
{{- end -}}

{{/* The volume that the sidecar's file is on. */}}
{{- define "backref.sidecar.volumes" -}}
- name: backref-data
  {{- if .claim }}
  persistentVolumeClaim:
    claimName: {{ .claim }}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- end -}}
