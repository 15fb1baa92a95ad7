//! Shapes of volumes (`k8s.io/api/core/v1`). Data only.

use super::Shape::{Bool, Int32, Int64, Quantity, Resources, Str, StrMap, Strs, Struct, Structs};
use super::container::{OBJECT_FIELD_SELECTOR, RESOURCE_FIELD_SELECTOR};
use super::meta::{LABEL_SELECTOR, OBJECT_META};
use super::{S, Type, always, nullable, opt, ptr};

/// `LocalObjectReference`.
pub(super) static LOCAL_OBJECT_REFERENCE: Type = Type { name: "LocalObjectReference", fields: &[opt("name", S)] };

/// `Volume`, its source inlined.
pub(super) static VOLUME: Type = Type {
    name: "Volume",
    fields: &[
        always("name", S),
        ptr("hostPath", Struct(&HOST_PATH)),
        ptr("emptyDir", Struct(&EMPTY_DIR)),
        ptr("gcePersistentDisk", Struct(&GCE_PERSISTENT_DISK)),
        ptr("awsElasticBlockStore", Struct(&AWS_ELASTIC_BLOCK_STORE)),
        ptr("gitRepo", Struct(&GIT_REPO)),
        ptr("secret", Struct(&SECRET)),
        ptr("nfs", Struct(&NFS)),
        ptr("iscsi", Struct(&ISCSI)),
        ptr("glusterfs", Struct(&GLUSTERFS)),
        ptr("persistentVolumeClaim", Struct(&PERSISTENT_VOLUME_CLAIM)),
        ptr("rbd", Struct(&RBD)),
        ptr("flexVolume", Struct(&FLEX)),
        ptr("cinder", Struct(&CINDER)),
        ptr("cephfs", Struct(&CEPH_FS)),
        ptr("flocker", Struct(&FLOCKER)),
        ptr("downwardAPI", Struct(&DOWNWARD_API)),
        ptr("fc", Struct(&FC)),
        ptr("azureFile", Struct(&AZURE_FILE)),
        ptr("configMap", Struct(&CONFIG_MAP)),
        ptr("vsphereVolume", Struct(&VSPHERE)),
        ptr("quobyte", Struct(&QUOBYTE)),
        ptr("azureDisk", Struct(&AZURE_DISK)),
        ptr("photonPersistentDisk", Struct(&PHOTON)),
        ptr("projected", Struct(&PROJECTED)),
        ptr("portworxVolume", Struct(&PORTWORX)),
        ptr("scaleIO", Struct(&SCALE_IO)),
        ptr("storageos", Struct(&STORAGE_OS)),
        ptr("csi", Struct(&CSI)),
        ptr("ephemeral", Struct(&EPHEMERAL)),
        ptr("image", Struct(&IMAGE)),
    ],
};

static HOST_PATH: Type =
    Type { name: "HostPathVolumeSource", fields: &[always("path", S), ptr("type", Str("v1.HostPathType"))] };

static EMPTY_DIR: Type = Type {
    name: "EmptyDirVolumeSource",
    fields: &[opt("medium", Str("v1.StorageMedium")), ptr("sizeLimit", Quantity)],
};

static GCE_PERSISTENT_DISK: Type = Type {
    name: "GCEPersistentDiskVolumeSource",
    fields: &[always("pdName", S), opt("fsType", S), opt("partition", Int32), opt("readOnly", Bool)],
};

static AWS_ELASTIC_BLOCK_STORE: Type = Type {
    name: "AWSElasticBlockStoreVolumeSource",
    fields: &[always("volumeID", S), opt("fsType", S), opt("partition", Int32), opt("readOnly", Bool)],
};

static GIT_REPO: Type =
    Type { name: "GitRepoVolumeSource", fields: &[always("repository", S), opt("revision", S), opt("directory", S)] };

static SECRET: Type = Type {
    name: "SecretVolumeSource",
    fields: &[
        opt("secretName", S),
        opt("items", Structs(&KEY_TO_PATH)),
        ptr("defaultMode", Int32),
        ptr("optional", Bool),
    ],
};

static KEY_TO_PATH: Type =
    Type { name: "KeyToPath", fields: &[always("key", S), always("path", S), ptr("mode", Int32)] };

static NFS: Type =
    Type { name: "NFSVolumeSource", fields: &[always("server", S), always("path", S), opt("readOnly", Bool)] };

static ISCSI: Type = Type {
    name: "ISCSIVolumeSource",
    fields: &[
        always("targetPortal", S),
        always("iqn", S),
        always("lun", Int32),
        opt("iscsiInterface", S),
        opt("fsType", S),
        opt("readOnly", Bool),
        opt("portals", Strs("string")),
        opt("chapAuthDiscovery", Bool),
        opt("chapAuthSession", Bool),
        ptr("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
        ptr("initiatorName", S),
    ],
};

static GLUSTERFS: Type =
    Type { name: "GlusterfsVolumeSource", fields: &[always("endpoints", S), always("path", S), opt("readOnly", Bool)] };

static PERSISTENT_VOLUME_CLAIM: Type =
    Type { name: "PersistentVolumeClaimVolumeSource", fields: &[always("claimName", S), opt("readOnly", Bool)] };

static RBD: Type = Type {
    name: "RBDVolumeSource",
    fields: &[
        always("monitors", Strs("string")),
        always("image", S),
        opt("fsType", S),
        opt("pool", S),
        opt("user", S),
        opt("keyring", S),
        ptr("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
        opt("readOnly", Bool),
    ],
};

static FLEX: Type = Type {
    name: "FlexVolumeSource",
    fields: &[
        always("driver", S),
        opt("fsType", S),
        ptr("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
        opt("readOnly", Bool),
        opt("options", StrMap),
    ],
};

static CINDER: Type = Type {
    name: "CinderVolumeSource",
    fields: &[
        always("volumeID", S),
        opt("fsType", S),
        opt("readOnly", Bool),
        ptr("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
    ],
};

static CEPH_FS: Type = Type {
    name: "CephFSVolumeSource",
    fields: &[
        always("monitors", Strs("string")),
        opt("path", S),
        opt("user", S),
        opt("secretFile", S),
        ptr("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
        opt("readOnly", Bool),
    ],
};

static FLOCKER: Type = Type { name: "FlockerVolumeSource", fields: &[opt("datasetName", S), opt("datasetUUID", S)] };

static DOWNWARD_API: Type = Type {
    name: "DownwardAPIVolumeSource",
    fields: &[opt("items", Structs(&DOWNWARD_API_FILE)), ptr("defaultMode", Int32)],
};

static DOWNWARD_API_FILE: Type = Type {
    name: "DownwardAPIVolumeFile",
    fields: &[
        always("path", S),
        ptr("fieldRef", Struct(&OBJECT_FIELD_SELECTOR)),
        ptr("resourceFieldRef", Struct(&RESOURCE_FIELD_SELECTOR)),
        ptr("mode", Int32),
    ],
};

static FC: Type = Type {
    name: "FCVolumeSource",
    fields: &[
        opt("targetWWNs", Strs("string")),
        ptr("lun", Int32),
        opt("fsType", S),
        opt("readOnly", Bool),
        opt("wwids", Strs("string")),
    ],
};

static AZURE_FILE: Type = Type {
    name: "AzureFileVolumeSource",
    fields: &[always("secretName", S), always("shareName", S), opt("readOnly", Bool)],
};

static CONFIG_MAP: Type = Type {
    name: "ConfigMapVolumeSource",
    fields: &[opt("name", S), opt("items", Structs(&KEY_TO_PATH)), ptr("defaultMode", Int32), ptr("optional", Bool)],
};

static VSPHERE: Type = Type {
    name: "VsphereVirtualDiskVolumeSource",
    fields: &[always("volumePath", S), opt("fsType", S), opt("storagePolicyName", S), opt("storagePolicyID", S)],
};

static QUOBYTE: Type = Type {
    name: "QuobyteVolumeSource",
    fields: &[
        always("registry", S),
        always("volume", S),
        opt("readOnly", Bool),
        opt("user", S),
        opt("group", S),
        opt("tenant", S),
    ],
};

static AZURE_DISK: Type = Type {
    name: "AzureDiskVolumeSource",
    fields: &[
        always("diskName", S),
        always("diskURI", S),
        ptr("cachingMode", Str("v1.AzureDataDiskCachingMode")),
        ptr("fsType", S),
        ptr("readOnly", Bool),
        ptr("kind", Str("v1.AzureDataDiskKind")),
    ],
};

static PHOTON: Type = Type { name: "PhotonPersistentDiskVolumeSource", fields: &[always("pdID", S), opt("fsType", S)] };

static PROJECTED: Type = Type {
    name: "ProjectedVolumeSource",
    fields: &[always("sources", Structs(&VOLUME_PROJECTION)), ptr("defaultMode", Int32)],
};

static VOLUME_PROJECTION: Type = Type {
    name: "VolumeProjection",
    fields: &[
        ptr("secret", Struct(&SECRET_PROJECTION)),
        ptr("downwardAPI", Struct(&DOWNWARD_API_PROJECTION)),
        ptr("configMap", Struct(&CONFIG_MAP_PROJECTION)),
        ptr("serviceAccountToken", Struct(&SERVICE_ACCOUNT_TOKEN)),
        ptr("clusterTrustBundle", Struct(&CLUSTER_TRUST_BUNDLE)),
        ptr("podCertificate", Struct(&POD_CERTIFICATE)),
    ],
};

static SECRET_PROJECTION: Type = Type {
    name: "SecretProjection",
    fields: &[opt("name", S), opt("items", Structs(&KEY_TO_PATH)), ptr("optional", Bool)],
};

static CONFIG_MAP_PROJECTION: Type = Type {
    name: "ConfigMapProjection",
    fields: &[opt("name", S), opt("items", Structs(&KEY_TO_PATH)), ptr("optional", Bool)],
};

static DOWNWARD_API_PROJECTION: Type =
    Type { name: "DownwardAPIProjection", fields: &[opt("items", Structs(&DOWNWARD_API_FILE))] };

static SERVICE_ACCOUNT_TOKEN: Type = Type {
    name: "ServiceAccountTokenProjection",
    fields: &[opt("audience", S), ptr("expirationSeconds", Int64), always("path", S)],
};

static CLUSTER_TRUST_BUNDLE: Type = Type {
    name: "ClusterTrustBundleProjection",
    fields: &[
        ptr("name", S),
        ptr("signerName", S),
        ptr("labelSelector", Struct(&LABEL_SELECTOR)),
        ptr("optional", Bool),
        always("path", S),
    ],
};

static POD_CERTIFICATE: Type = Type {
    name: "PodCertificateProjection",
    fields: &[
        opt("signerName", S),
        opt("keyType", S),
        ptr("maxExpirationSeconds", Int32),
        opt("credentialBundlePath", S),
        opt("keyPath", S),
        opt("certificateChainPath", S),
        opt("userAnnotations", StrMap),
    ],
};

static PORTWORX: Type =
    Type { name: "PortworxVolumeSource", fields: &[always("volumeID", S), opt("fsType", S), opt("readOnly", Bool)] };

static SCALE_IO: Type = Type {
    name: "ScaleIOVolumeSource",
    fields: &[
        always("gateway", S),
        always("system", S),
        nullable("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
        opt("sslEnabled", Bool),
        opt("protectionDomain", S),
        opt("storagePool", S),
        opt("storageMode", S),
        opt("volumeName", S),
        opt("fsType", S),
        opt("readOnly", Bool),
    ],
};

static STORAGE_OS: Type = Type {
    name: "StorageOSVolumeSource",
    fields: &[
        opt("volumeName", S),
        opt("volumeNamespace", S),
        opt("fsType", S),
        opt("readOnly", Bool),
        ptr("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
    ],
};

static CSI: Type = Type {
    name: "CSIVolumeSource",
    fields: &[
        always("driver", S),
        ptr("readOnly", Bool),
        ptr("fsType", S),
        opt("volumeAttributes", StrMap),
        ptr("nodePublishSecretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
    ],
};

static EPHEMERAL: Type = Type {
    name: "EphemeralVolumeSource",
    fields: &[ptr("volumeClaimTemplate", Struct(&PERSISTENT_VOLUME_CLAIM_TEMPLATE))],
};

static PERSISTENT_VOLUME_CLAIM_TEMPLATE: Type = Type {
    name: "PersistentVolumeClaimTemplate",
    fields: &[always("metadata", Struct(&OBJECT_META)), always("spec", Struct(&PERSISTENT_VOLUME_CLAIM_SPEC))],
};

static PERSISTENT_VOLUME_CLAIM_SPEC: Type = Type {
    name: "PersistentVolumeClaimSpec",
    fields: &[
        opt("accessModes", Strs("v1.PersistentVolumeAccessMode")),
        ptr("selector", Struct(&LABEL_SELECTOR)),
        always("resources", Struct(&VOLUME_RESOURCE_REQUIREMENTS)),
        opt("volumeName", S),
        ptr("storageClassName", S),
        ptr("volumeMode", Str("v1.PersistentVolumeMode")),
        ptr("dataSource", Struct(&TYPED_LOCAL_OBJECT_REFERENCE)),
        ptr("dataSourceRef", Struct(&TYPED_OBJECT_REFERENCE)),
        ptr("volumeAttributesClassName", S),
    ],
};

static VOLUME_RESOURCE_REQUIREMENTS: Type =
    Type { name: "VolumeResourceRequirements", fields: &[opt("limits", Resources), opt("requests", Resources)] };

static TYPED_LOCAL_OBJECT_REFERENCE: Type = Type {
    name: "TypedLocalObjectReference",
    fields: &[nullable("apiGroup", S), always("kind", S), always("name", S)],
};

static TYPED_OBJECT_REFERENCE: Type = Type {
    name: "TypedObjectReference",
    fields: &[nullable("apiGroup", S), always("kind", S), always("name", S), ptr("namespace", S)],
};

static IMAGE: Type =
    Type { name: "ImageVolumeSource", fields: &[opt("reference", S), opt("pullPolicy", Str("v1.PullPolicy"))] };
