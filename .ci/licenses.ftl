| dependency | licence |
| --- | --- |
<#list dependencyMap as e>
<#assign a = e.getKey().artifact>
| `${a.groupId}:${a.artifactId}` ${a.version} | ${e.getValue()?join(" or ")} |
</#list>
